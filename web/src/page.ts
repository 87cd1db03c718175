/** The chat as a page of its own: the element with the options of the server, and a login by a bearer token. */
import './styles/page.css';
import type { ChatKitOptions, Entity, OpenAIChatKit } from '@openai/chatkit';

const TOKEN = 'chatkit.token';
/** The files lie below the endpoint: `/chatkit/assets/page.js`. */
const endpoint = new URL('..', import.meta.url).href.replace(/\/$/, '');
const chat = document.getElementById('chat') as OpenAIChatKit;

let token = stored();

/** Storage may be barred; then the token lives as long as the page. */
function stored(value?: string): string | null {
  try {
    if (value !== undefined) sessionStorage.setItem(TOKEN, value);
    return sessionStorage.getItem(TOKEN);
  } catch {
    return value ?? null;
  }
}

let asking: Promise<void> | null = null;

async function authorizedFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const used = token;
  if (used) headers.set('authorization', `Bearer ${used}`);
  const response = await fetch(input, { ...init, headers });
  if (response.status !== 401 || !/^bearer/i.test(response.headers.get('www-authenticate') ?? '')) return response;
  // Requests that fail together ask once.
  if (token === used) await (asking ??= askToken(used !== null).finally(() => (asking = null)));
  return authorizedFetch(input, init);
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, properties: Partial<HTMLElementTagNameMap[K]>): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(name), properties);
}

/** Ask for a token until there is one. */
function askToken(wasRefused: boolean): Promise<void> {
  const dialog = element('dialog', { className: 'login' });
  const form = element('form', { method: 'dialog' });
  const field = element('input', { type: 'password', name: 'token', required: true, autocomplete: 'current-password', id: 'token' });
  const label = element('label', { htmlFor: 'token', textContent: 'Token' });
  const note = element('p', { textContent: wasRefused ? 'The token was refused. It may have expired.' : 'This chat needs an access token. It is kept until this tab is closed.' });
  if (wasRefused) note.setAttribute('role', 'alert');
  form.append(element('h1', { textContent: 'Sign in' }), note, label, field, element('button', { textContent: 'Continue' }));
  dialog.append(form);
  dialog.setAttribute('aria-label', 'Sign in');
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    form.addEventListener('submit', () => {
      token = field.value.trim();
      stored(token);
      dialog.remove();
      resolve();
    });
  });
}

async function get<T>(path: string): Promise<T> {
  const response = await authorizedFetch(`${endpoint}${path}`);
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return (await response.json()) as T;
}

function report(problem: string): void {
  const line = element('p', { className: 'problem', textContent: problem });
  line.setAttribute('role', 'alert');
  const again = element('button', { textContent: 'Try again' });
  again.addEventListener('click', () => {
    line.remove();
    void start();
  });
  line.append(again);
  document.body.append(line);
}

async function start(): Promise<void> {
  try {
    const options = await get<ChatKitOptions>('/options.json');
    document.title = options.frameTitle ?? 'Chat';
    document.documentElement.lang = options.locale ?? navigator.language;
    const thread = new URLSearchParams(location.hash.slice(1)).get('thread');
    chat.setOptions({
      ...options,
      initialThread: thread,
      api: { ...(options.api as { url: string; domainKey: string }), fetch: authorizedFetch },
      entities: {
        ...options.entities,
        onTagSearch: async (query) => (await get<{ entities: Entity[] }>(`/entities?q=${encodeURIComponent(query)}`)).entities,
        onRequestPreview: ({ id }) => get(`/entities/${encodeURIComponent(id)}/preview`),
      },
    });
  } catch (error) {
    report(`The chat could not be opened (${(error as Error).message}).`);
  }
}

chat.addEventListener('chatkit.error', ({ detail }) => console.error(detail.error));
// The thread is part of the address: a reload shows it again.
chat.addEventListener('chatkit.thread.change', ({ detail: { threadId } }) => {
  history.replaceState(null, '', threadId ? `#thread=${encodeURIComponent(threadId)}` : location.pathname + location.search);
});
void start();
