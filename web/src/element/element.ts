/** `<openai-chatkit>`: the client in an iframe. */
export {};
