// The page's part: the client tool, the stations on the map, mentions, and how it looks.
// `server` is GET /chatkit/options.json; `map` shows stations, and knows which the user has selected.
export function options(server, map) {
  const get = async (path) => (await fetch(`${server.api.url}${path}`)).json();
  return {
    ...server,
    theme: {
      colorScheme: 'light',
      radius: 'pill',
      density: 'normal',
      typography: { baseSize: 15 },
      color: { grayscale: { hue: 220, tint: 4 }, accent: { primary: '#1d4ed8', level: 1 } },
    },
    header: { ...server.header, rightAction: { icon: 'light-mode', onClick: () => map.show([]) } },
    composer: { ...server.composer, placeholder: 'Where to? Mention stations with @' },
    entities: {
      ...server.entities,
      onTagSearch: async (query) => (await get(`/entities?q=${encodeURIComponent(query)}`)).entities,
      onClick: ({ id }) => map.show([id]),
      onRequestPreview: async ({ title, data }) => ({
        preview: { type: 'Card', size: 'sm', children: [{ type: 'Title', value: title }, { type: 'Caption', value: data?.lines ?? '' }] },
      }),
    },
    onClientTool: async ({ name }) => (name === 'get_selection' ? { stations: map.selected() } : { error: `no tool ${name}` }),
  };
}

export const effects = { 'map.focus': ({ stations }, map) => map.show(stations) };
