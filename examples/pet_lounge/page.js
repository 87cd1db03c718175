// The page's part: what the ferret says, and how it does, which are effects. `server` is GET /chatkit/options.json.
export function options(server, lounge) {
  return {
    ...server,
    theme: { colorScheme: 'dark', radius: 'round', color: { accent: { primary: '#f59e0b', level: 2 } } },
    header: { title: { enabled: false }, leftAction: { icon: 'home', onClick: () => lounge.home() } },
    composer: { ...server.composer, placeholder: 'Feed, wash or paint your ferret' },
    threadItemActions: { feedback: false, retry: true },
    thread: { autoScroll: true },
  };
}

export const effects = {
  'pet.say': ({ text }, lounge) => lounge.say(text),
  'pet.update': (pet, lounge) => lounge.update(pet),
};
