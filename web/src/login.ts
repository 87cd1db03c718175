/** How the page logs its user in: by a token that it asks for, at a login elsewhere, or not at all (`server.page`). */
import { loadLanguage, type Language } from './i18n/language';

interface Login {
  kind: 'none' | 'proxy' | 'token' | 'redirect';
  url?: string;
  parameter?: string;
}

const TOKEN = 'chatkit.token';
const SENT = 'chatkit.sent-to-login';
const meta = document.querySelector<HTMLMetaElement>('meta[name=chatkit-page]');
const { login = { kind: 'none' } } = JSON.parse(meta?.content || '{}') as { login?: Login };

/** A user has to log in, and the page can't do it; `address` is where, or the page itself. */
export class LoginNeeded extends Error {
  constructor(readonly address: string) {
    super('not logged in');
  }
}

/** The texts of the page, in the project's language once that is known, until then in the browser's. */
export const loadTexts = (): Promise<Language> => loadLanguage(document.documentElement.lang);

let token = stored(TOKEN);

/** Storage may be barred; then a token lives as long as the page. */
function stored(key: string, value?: string | null): string | null {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else if (value !== undefined) sessionStorage.setItem(key, value);
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

let asking: Promise<void> | null = null;

/** `fetch` with the user's login; without a valid one, the user is asked for it. */
export async function authorizedFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const used = token;
  if (used) headers.set('authorization', `Bearer ${used}`);
  const response = await fetch(input, { ...init, headers });
  if (response.status !== 401 || login.kind === 'none') {
    if (response.ok) stored(SENT, null);
    return response;
  }
  if (login.kind !== 'token') return leave();
  // Requests that fail together ask once.
  if (token === used) await (asking ??= askToken(used !== null).finally(() => (asking = null)));
  return authorizedFetch(input, init);
}

/** Go to the login once. A second time in a row it would only lead back: then the user decides. */
function leave(): Promise<Response> {
  const address = loginAddress();
  if (address === null) throw new LoginNeeded(location.href);
  if (stored(SENT) !== null || stored(SENT, 'yes') === null) throw new LoginNeeded(address);
  location.assign(address);
  return new Promise(() => {});
}

/**
 * The address of the login, with this page's own in it: a link to the page can change neither.
 * A login on this site gets a path, as those expect it that send nobody to another site.
 */
function loginAddress(): string | null {
  if (login.kind !== 'redirect' || !login.url) return null;
  const address = new URL(login.url, location.origin);
  const path = location.pathname + location.search + location.hash;
  address.searchParams.set(login.parameter ?? 'return_to', address.origin === location.origin ? path : location.origin + path);
  return address.href;
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, properties: Partial<HTMLElementTagNameMap[K]>): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(name), properties);
}

/** Ask for a token until there is one. */
async function askToken(wasRefused: boolean): Promise<void> {
  const { t, direction } = await loadTexts();
  const dialog = element('dialog', { className: 'login', dir: direction });
  const form = element('form', { method: 'dialog' });
  const field = element('input', { type: 'password', name: 'token', required: true, autocomplete: 'current-password', id: 'token' });
  const label = element('label', { htmlFor: 'token', textContent: t('token') });
  const note = element('p', { textContent: t(wasRefused ? 'tokenRefused' : 'tokenNeeded') });
  if (wasRefused) note.setAttribute('role', 'alert');
  form.append(element('h1', { textContent: t('signIn') }), note, label, field, element('button', { textContent: t('continue') }));
  dialog.append(form);
  dialog.setAttribute('aria-label', t('signIn'));
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    form.addEventListener('submit', () => {
      token = field.value.trim();
      stored(TOKEN, token);
      dialog.remove();
      resolve();
    });
  });
}
