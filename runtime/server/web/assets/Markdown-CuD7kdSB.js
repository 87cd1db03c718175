import{j as a}from"./frame-CBKb1jj9.js";function o({source:r}){return a.jsx("div",{className:"ck-markdown",children:r})}export{o as default};
