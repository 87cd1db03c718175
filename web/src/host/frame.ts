/** The frame's side of the bridge to the element. */
import { HELLO, type ErrorData, type FetchData, type Message, type OptionsData, type ResponseHead } from '../protocol/messages';
import type { EventDetail, EventName, Host, HostRequest, Options } from './host';
import type { FunctionPath, Method } from './surface';

const NO_BODY = [101, 204, 205, 304];

export interface FrameListener {
  /** `thread` is given the first time: the thread to show. */
  onOptions(options: Options, variables: Record<string, string>, thread?: string | null): void;
  onMethod(name: Method, args: unknown[]): Promise<unknown>;
}

export function errorData(error: unknown): ErrorData {
  const { name = 'Error', message = String(error) } = (error ?? {}) as Partial<Error>;
  return { name, message };
}

export function named({ name, message }: ErrorData): Error {
  return Object.assign(new Error(message), { name });
}

/** Wait for the element's port, and serve it. */
export function connectToElement(listener: FrameListener): Promise<FrameHost> {
  return new Promise((resolve) => {
    addEventListener('message', function take(event) {
      const [port] = event.ports;
      if (event.source !== parent || event.data !== HELLO || !port) return;
      removeEventListener('message', take);
      resolve(new FrameHost(port, listener));
    });
    parent.postMessage(HELLO, '*');
  });
}

export class FrameHost implements Host {
  #functions = new Set<string>();
  #asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(
    private readonly port: MessagePort,
    private readonly listener: FrameListener,
  ) {
    port.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(data);
  }

  has(path: FunctionPath): boolean {
    return this.#functions.has(path);
  }

  call(path: FunctionPath, ...args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#asked.set(id, { resolve, reject });
      this.port.postMessage([id, 'call', [path, args]]);
    });
  }

  emit<K extends EventName>(name: K, ...[detail]: EventDetail<K> extends void ? [] : [EventDetail<K>]): void {
    const data = name === 'chatkit.error' ? { error: errorData((detail as EventDetail<'chatkit.error'>).error) } : detail;
    this.port.postMessage([0, 'emit', [name, data]]);
  }

  fetch(url: string, { signal, onProgress, ...request }: HostRequest = {}): Promise<Response> {
    const { port1, port2 } = new MessageChannel();
    const data: FetchData = { url, ...request, progress: onProgress !== undefined, port: port2 };
    return new Promise((resolve, reject) => {
      let body: ReadableStreamDefaultController<Uint8Array> | undefined;
      const fail = (error: Error): void => {
        reject(error);
        body?.error(error);
        port1.close();
      };
      const abort = (): void => {
        port1.postMessage('abort');
        // The element answers an abort that came in time; one that came late is answered here.
        fail(named({ name: 'AbortError', message: 'cancelled' }));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      port1.onmessage = ({ data: part }: MessageEvent<ResponseHead | Uint8Array | ErrorData | { sent: number } | null>) => {
        if (part === null) {
          signal?.removeEventListener('abort', abort);
          body?.close();
          port1.close();
        } else if (part instanceof Uint8Array) {
          body?.enqueue(part);
        } else if ('sent' in part) {
          onProgress?.(part.sent);
        } else if ('message' in part) {
          signal?.removeEventListener('abort', abort);
          fail(named(part));
        } else {
          const stream = new ReadableStream<Uint8Array>({
            start: (controller) => void (body = controller),
            cancel: () => port1.postMessage('abort'),
          });
          // A Response takes 200 to 599 alone; an opaque one has 0.
          const status = part.status >= 200 && part.status <= 599 ? part.status : 502;
          resolve(new Response(NO_BODY.includes(status) ? null : stream, { status, headers: part.headers }));
        }
      };
      this.port.postMessage([0, 'fetch', data], [port2]);
    });
  }

  #receive([id, name, value]: Message): void {
    if (typeof name === 'boolean') {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (name) asked?.resolve(value);
      else asked?.reject(named(value as ErrorData));
    } else if (name === 'options') {
      const { options, functions, variables, thread } = value as OptionsData;
      this.#functions = new Set(functions);
      this.listener.onOptions(options as Options, variables, thread);
    } else {
      this.listener.onMethod(name as Method, value as unknown[]).then(
        () => this.port.postMessage([id, true, undefined]),
        (error: unknown) => this.port.postMessage([id, false, errorData(error)]),
      );
    }
  }
}
