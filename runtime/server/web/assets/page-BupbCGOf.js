import{c as t,j as e}from"./client-oPVSH0xr.js";t.createRoot(document.getElementById("root")).render(e.jsx("p",{children:"Chat"}));
