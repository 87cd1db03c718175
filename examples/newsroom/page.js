// The page's part: previews of articles, and where they open. `server` is GET /chatkit/options.json.
export function options(server, paper) {
  const get = async (path) => (await fetch(`${server.api.url}${path}`)).json();
  return {
    ...server,
    theme: { colorScheme: 'light', radius: 'sharp', density: 'spacious', typography: { fontFamily: 'Georgia, serif' } },
    startScreen: { ...server.startScreen, prompts: [{ label: 'Traffic', prompt: 'articles on traffic', icon: 'maps' }] },
    entities: {
      ...server.entities,
      onTagSearch: async (query) => (await get(`/entities?q=${encodeURIComponent(query)}`)).entities,
      onClick: ({ id }) => paper.open(id),
      onRequestPreview: ({ id }) => get(`/entities/${encodeURIComponent(id)}/preview`),
    },
  };
}

export const effects = { 'article.open': ({ id }, paper) => paper.open(id) };
