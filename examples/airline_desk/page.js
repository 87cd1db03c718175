// The page's part: who the customer is, and files by drag and drop. `server` is GET /chatkit/options.json.
export function options(server, desk) {
  return {
    ...server,
    api: {
      ...server.api,
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, 'X-Customer': desk.customer } }),
    },
    theme: { colorScheme: 'light', radius: 'soft', color: { accent: { primary: '#0f172a', level: 3 }, surface: { background: '#f8fafc', foreground: '#ffffff' } } },
    disclaimer: { text: 'Agents of Northwind Air may read along.', highContrast: true },
    threadItemActions: { feedback: true },
    composer: { ...server.composer, placeholder: 'Ask about your trip, or drop a boarding pass' },
  };
}

export const effects = {};
