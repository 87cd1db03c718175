/** The chat as a page of its own: the element with the options of the server, and its user's login. */
import './styles/page.css';
import type { ChatKitOptions, Entity, OpenAIChatKit } from '@openai/chatkit';
import { LoginNeeded, authorizedFetch, loadTexts } from './login';

/** The files lie below the endpoint: `/chatkit/assets/page.js`. */
const endpoint = new URL('..', import.meta.url).href.replace(/\/$/, '');
const chat = document.getElementById('chat') as OpenAIChatKit;

async function get<T>(path: string): Promise<T> {
  const response = await authorizedFetch(`${endpoint}${path}`);
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return (await response.json()) as T;
}

async function report(error: unknown): Promise<void> {
  const { t, direction } = await loadTexts();
  const mustLogIn = error instanceof LoginNeeded;
  const line = document.createElement('p');
  line.className = 'problem';
  line.dir = direction;
  line.setAttribute('role', 'alert');
  const again = document.createElement('button');
  again.textContent = t(mustLogIn ? 'signIn' : 'tryAgain');
  again.addEventListener('click', () => {
    if (mustLogIn) return error.address === location.href ? location.reload() : location.assign(error.address);
    line.remove();
    void start();
  });
  line.append(mustLogIn ? t('signedOut') : t('notOpened', { reason: (error as Error).message }), again);
  document.body.append(line);
}

const dark = matchMedia('(prefers-color-scheme: dark)');
let showAgain = (): void => {};
dark.addEventListener('change', () => showAgain());

/** The theme of the project, in the user's colours unless it declares its own. */
function themed(theme: ChatKitOptions['theme']): ChatKitOptions['theme'] {
  const colorScheme = dark.matches ? 'dark' : 'light';
  return typeof theme === 'string' ? theme : { colorScheme, ...theme };
}

async function start(): Promise<void> {
  try {
    const options = await get<ChatKitOptions>('/options.json');
    document.title = options.frameTitle ?? 'Chat';
    document.documentElement.lang = options.locale ?? navigator.language;
    const thread = new URLSearchParams(location.hash.slice(1)).get('thread');
    showAgain = () => chat.setOptions({
      ...options,
      theme: themed(options.theme),
      initialThread: thread,
      api: { ...(options.api as { url: string; domainKey: string }), fetch: authorizedFetch },
      entities: {
        ...options.entities,
        onTagSearch: async (query) => (await get<{ entities: Entity[] }>(`/entities?q=${encodeURIComponent(query)}`)).entities,
        onRequestPreview: ({ id }) => get(`/entities/${encodeURIComponent(id)}/preview`),
      },
    });
    showAgain();
  } catch (error) {
    await report(error);
  }
}

chat.addEventListener('chatkit.error', ({ detail }) => console.error(detail.error));
// The thread is part of the address: a reload shows it again.
chat.addEventListener('chatkit.thread.change', ({ detail: { threadId } }) => {
  history.replaceState(null, '', threadId ? `#thread=${encodeURIComponent(threadId)}` : location.pathname + location.search);
});
document.documentElement.lang = navigator.language;
void start();
