import{j as a}from"./frame-yPx4gZXA.js";function o({source:r}){return a.jsx("div",{className:"ck-markdown",children:r})}export{o as default};
