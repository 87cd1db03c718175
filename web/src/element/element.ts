/**
 * `<openai-chatkit>`: the client in an iframe beside this script. The page keeps the functions of the options, and
 * does all network; the frame asks for both over a MessagePort. A classic script without dependencies.
 */
import type { ChatKitOptions } from '@openai/chatkit';
import { METHODS, VARIABLES } from '../host/surface';
import type { ErrorData, FetchData, Message, OptionsData } from '../protocol/messages';

type Callback = (...args: never[]) => unknown;

const script = document.currentScript as HTMLScriptElement | null;
const frameUrl = new URL('frame.html', script?.src || location.href).href;
const HELLO = 'chatkit:hello';
/** How long the frame may take to say hello after it has loaded, in ms. A frame that is refused loads, too. */
const GRACE = 1000;

const sheet = new CSSStyleSheet();
sheet.replaceSync(':host{display:block}:host([hidden]){display:none}iframe{display:block;width:100%;height:100%;border:0;color-scheme:normal}');

const errorData = (error: unknown): ErrorData => {
  const { name = 'Error', message = String(error) } = (error ?? {}) as Partial<Error>;
  return { name, message };
};

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

/** Copy options without their functions, whose paths are collected. */
function split(value: unknown, functions: string[], path = ''): unknown {
  if (typeof value === 'function') {
    functions.push(path);
    return undefined;
  }
  if (Array.isArray(value)) return value.map((each, index) => split(each, functions, `${path}.${index}`));
  if (!value || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) copy[key] = split(inner, functions, path ? `${path}.${key}` : key);
  return copy;
}

export class ChatKitElement extends HTMLElement {
  #options: ChatKitOptions | undefined;
  #frame: HTMLIFrameElement | undefined;
  #port: MessagePort | undefined;
  /** Whether the frame has had options. */
  #started = false;
  #timer = 0;
  /** The thread that the frame shows; undefined before the first one. */
  #thread: string | null | undefined;
  #waiting: Message[] = [];
  #asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [sheet];
  }

  connectedCallback(): void {
    addEventListener('message', this.#hello);
    const frame = document.createElement('iframe');
    frame.src = frameUrl;
    frame.title = this.#options?.frameTitle ?? 'Chat';
    frame.allow = 'microphone *; clipboard-write *';
    frame.onload = () => {
      clearTimeout(this.#timer);
      if (!this.#port) this.#timer = window.setTimeout(() => this.#fail('FrameError', `the frame ${frameUrl} does not answer (can it be loaded, and may this page embed it?)`), GRACE);
    };
    this.#frame = frame;
    this.shadowRoot?.replaceChildren(frame);
  }

  disconnectedCallback(): void {
    removeEventListener('message', this.#hello);
    clearTimeout(this.#timer);
    this.#close();
    this.#frame?.remove();
  }

  setOptions(options: ChatKitOptions): void {
    const api = options?.api as { url?: unknown; getClientSecret?: unknown } | undefined;
    const problem = typeof api?.getClientSecret === 'function'
      ? 'a hosted API (api.getClientSecret) is not supported → at api (give api.url, the address of a ChatKit server)'
      : typeof api?.url !== 'string' && 'expected a string → at api.url';
    // Later: who sets the options may add the listener afterwards.
    if (problem) return void setTimeout(() => this.#fail('InvalidFrameParamsError', problem));
    this.#options = options;
    if (this.#frame) this.#frame.title = options.frameTitle ?? 'Chat';
    if (this.#started) this.#sendOptions(false);
    else if (this.#port) this.#start();
  }

  #sendOptions(first: boolean): void {
    const functions: string[] = [];
    const style = getComputedStyle(this);
    const variables = Object.fromEntries(VARIABLES.map((name) => [name, style.getPropertyValue(name).trim()]).filter(([, value]) => value));
    const data: OptionsData = { options: split(this.#options, functions), functions, variables };
    if (first) data.thread = this.#thread === undefined ? (this.#options?.initialThread ?? null) : this.#thread;
    try {
      this.#port?.postMessage([0, 'options', data]);
      this.#started = true;
    } catch (error) {
      this.#fail('InvalidFrameParamsError', errorData(error).message);
    }
  }

  #hello = (event: MessageEvent): void => {
    if (event.data !== HELLO || !this.#frame || event.source !== this.#frame.contentWindow) return;
    clearTimeout(this.#timer);
    // A frame that was reloaded; before the first one, nothing was asked in vain.
    if (this.#port) this.#close();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(data);
    (event.source as Window).postMessage(HELLO, event.origin === 'null' ? '*' : event.origin, [port2]);
    if (this.#options) this.#start();
  };

  #close(): void {
    this.#port?.close();
    this.#port = undefined;
    this.#started = false;
    for (const { reject } of this.#asked.values()) reject(new Error('the chat was removed or reloaded'));
    this.#asked.clear();
  }

  /** Send the options, and what was asked before they could be sent. */
  #start(): void {
    this.#sendOptions(true);
    if (!this.#started) return;
    for (const message of this.#waiting.splice(0)) this.#port?.postMessage(message);
  }

  /** Carry out a method in the frame, as soon as it has options. */
  ask(name: string, args: unknown[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#asked.set(id, { resolve: resolve as () => void, reject });
      const message: Message = [id, name, args];
      if (this.#started) this.#port?.postMessage(message);
      else this.#waiting.push(message);
    });
  }

  #receive([id, name, value]: Message): void {
    if (typeof name === 'boolean') {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (name) asked?.resolve(value);
      else asked?.reject(named((value as ErrorData).name, (value as ErrorData).message));
    } else if (name === 'fetch') {
      void this.#fetch(value as FetchData);
    } else if (name === 'emit') {
      this.#emit(...(value as [string, unknown]));
    } else {
      const port = this.#port;
      const [path, args] = value as [string, unknown[]];
      void (async () => this.#function(path)(...(args as never[])))().then(
        (result) => port?.postMessage([id, true, result]),
      ).catch((error) => port?.postMessage([id, false, errorData(error)]));
    }
  }

  /** Return a function of the newest options. */
  #function(path: string): Callback {
    let holder: unknown;
    let value: unknown = this.#options;
    for (const key of path.split('.')) {
      holder = value;
      value = (value as Record<string, unknown> | undefined)?.[key];
    }
    if (typeof value !== 'function') throw new TypeError(`the options have no function ${path}`);
    return value.bind(holder) as Callback;
  }

  async #fetch({ url, body, form, port, progress, plain, ...init }: FetchData): Promise<void> {
    const abort = new AbortController();
    port.onmessage = () => abort.abort();
    try {
      const data = form?.reduce((all, [key, value]) => (all.append(key, value), all), new FormData()) ?? body;
      const { api } = this.#options as { api: { fetch?: typeof fetch } };
      const own = !plain && api.fetch;
      const send = own ? api.fetch!.bind(api) : progress ? sendWithProgress(port) : fetch;
      const response = await send(url, { ...init, body: data, signal: abort.signal });
      port.postMessage({ status: response.status, headers: [...response.headers] });
      const reader = response.body?.getReader();
      abort.signal.addEventListener('abort', () => void reader?.cancel().catch(() => {}));
      for (let part; (part = await reader?.read()) && !part.done; ) port.postMessage(part.value);
      port.postMessage(null);
    } catch (error) {
      port.postMessage(errorData(error));
    }
  }

  #emit(name: string, detail: unknown): void {
    if (name === 'chatkit.thread.change') this.#thread = (detail as { threadId: string | null }).threadId;
    if (name === 'chatkit.error') {
      const { error } = detail as { error: ErrorData };
      detail = { error: named(error.name, error.message) };
    }
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #fail(name: string, message: string): void {
    this.#emit('chatkit.error', { error: { name, message } });
  }
}

/** A fetch that reports how much of the body has been sent, which `fetch` does not. */
const sendWithProgress = (port: MessagePort) => (url: string, init: RequestInit): Promise<Response> =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(init.method ?? 'GET', url);
    for (const [name, value] of Object.entries((init.headers ?? {}) as Record<string, string>)) request.setRequestHeader(name, value);
    request.responseType = 'blob';
    request.upload.onprogress = ({ loaded, total }) => port.postMessage({ sent: loaded / (total || 1) });
    request.onload = () => resolve(new Response(request.status === 204 ? null : (request.response as Blob), { status: request.status }));
    request.onerror = () => reject(new TypeError('the file could not be sent'));
    init.signal?.addEventListener('abort', () => {
      request.abort();
      reject(named('AbortError', 'cancelled'));
    });
    request.send(init.body as XMLHttpRequestBodyInit);
  });

for (const name of METHODS) {
  Object.defineProperty(ChatKitElement.prototype, name, {
    value(this: ChatKitElement, ...args: unknown[]) {
      return this.ask(name, args);
    },
    configurable: true,
    writable: true,
  });
}

if (!customElements.get('openai-chatkit')) customElements.define('openai-chatkit', ChatKitElement);
