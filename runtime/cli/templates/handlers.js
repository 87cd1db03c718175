// The functions that the page calls for the server. This file is yours: `chatkit-runtime client` never overwrites it.
// `chatkit-runtime client types --output chatkit.ts` writes the types with which an editor checks it.

/** @type {import('./chatkit.js').Handlers} */
export const handlers = {
  // The result is sent to the model, and the turn continues.
  clientTools: {
    /* client tools */
  },

  // The server does not wait for effects; a result is ignored.
  effects: {
    /* effects */
  },

  // Widget actions with `handler: client`, by type; all other actions are sent to the server.
  actions: {},
};

// If users log in: an exported `fetch` makes the requests and can add headers.
// export const fetch = (input, init) => window.fetch(input, { ...init, credentials: 'include' });
