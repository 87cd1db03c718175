// What the page does when the server asks it to. This file is yours: `chatkit-runtime client` never overwrites it.
// An editor checks it once `chatkit-runtime client types --output chatkit.ts` has written the types beside it.

/** @type {import('./chatkit.js').Handlers} */
export const handlers = {
  // What is returned goes to the model, and the turn goes on.
  clientTools: {
    /* client tools */
  },

  // Told once, and nothing is waited for.
  effects: {
    /* effects */
  },

  // Actions that a widget marks `handler: client`, by their type; all others go to the server.
  actions: {},
};

// Where users log in: what is exported as `fetch` makes the requests, and may add headers.
// export const fetch = (input, init) => window.fetch(input, { ...init, credentials: 'include' });
