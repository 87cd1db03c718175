/** Requests to a ChatKit endpoint, through the page. */
import type { Host, Options } from '../host/host';
import { readSse } from './sse';
import type { Attachment, PlainRequests, StreamEvent, StreamingRequests } from './types';

/** A response that is not 2xx, or none. */
export class RequestFailed extends Error {
  override name = 'RequestFailed';
  constructor(
    /** 0: no response came. */
    readonly status: number,
    /** The server's code (`rate_limited`), if it has one. */
    readonly code: string | null,
    message: string,
    /** In seconds. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

export interface StreamedEvent {
  /** null: the server gives no ids, and a stream that is lost can't be read on. */
  id: string | null;
  event: StreamEvent;
}

export class Api {
  constructor(
    private readonly host: Host,
    private readonly options: () => Options,
  ) {}

  async request<T extends keyof PlainRequests>(
    type: T,
    params: PlainRequests[T]['params'],
    signal?: AbortSignal,
  ): Promise<PlainRequests[T]['response']> {
    const response = await this.#post(type, params, {}, signal);
    return (await response.json()) as PlainRequests[T]['response'];
  }

  /** Resolves when the request has been accepted; the events follow. */
  async stream<T extends keyof StreamingRequests>(
    type: T,
    params: StreamingRequests[T],
    signal: AbortSignal,
  ): Promise<AsyncGenerator<StreamedEvent>> {
    const response = await this.#post(type, params, { 'x-chatkit-resume': '1', accept: 'text/event-stream' }, signal);
    return readEvents(response);
  }

  /** The events of the running turn of a thread, after one that was read; null: none runs. */
  async follow(threadId: string, after: string | null, signal: AbortSignal): Promise<AsyncGenerator<StreamedEvent> | null> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (after !== null) headers['last-event-id'] = after;
    const response = await this.#send(this.#streamUrl(threadId), { headers, signal });
    return response.status === 204 ? null : readEvents(response);
  }

  /** Stop the running turn of a thread. */
  async stop(threadId: string): Promise<void> {
    await this.#send(this.#streamUrl(threadId), { method: 'DELETE' });
  }

  /** Upload a file as the options say. */
  async upload(file: File, signal: AbortSignal, onProgress: (share: number) => void): Promise<Attachment> {
    const strategy = this.options().api.uploadStrategy;
    if (strategy?.type === 'direct') {
      const response = await this.#send(strategy.uploadUrl, { method: 'POST', form: [['file', file]], signal, onProgress });
      return (await response.json()) as Attachment;
    }
    const params = { name: file.name, size: file.size, mime_type: file.type || 'application/octet-stream' };
    const { upload_descriptor: where, ...attachment } = await this.request('attachments.create', params, signal);
    if (where) {
      const { url, method, headers } = where;
      await this.#send(url, { method, headers: headers ?? {}, body: file, plain: true, signal, onProgress });
    }
    return attachment;
  }

  #post(type: string, params: unknown, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    return this.#send(this.options().api.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ type, params, metadata: {} }),
      signal,
    });
  }

  #streamUrl(threadId: string): string {
    const [path, query] = this.options().api.url.split('?');
    return `${path?.replace(/\/$/, '')}/threads/${encodeURIComponent(threadId)}/stream${query ? `?${query}` : ''}`;
  }

  async #send(url: string, request: Parameters<Host['fetch']>[1]): Promise<Response> {
    let response: Response;
    try {
      response = await this.host.fetch(url, request);
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw error;
      throw new RequestFailed(0, null, (error as Error).message);
    }
    if (!response.ok) throw await failure(response);
    return response;
  }
}

async function* readEvents(response: Response): AsyncGenerator<StreamedEvent> {
  if (!response.body) return;
  for await (const { id, data } of readSse(response.body)) {
    if (data !== '[DONE]') yield { id, event: JSON.parse(data) as StreamEvent };
  }
}

async function failure(response: Response): Promise<RequestFailed> {
  const text = await response.text().catch(() => '');
  let error: { code?: unknown; message?: unknown } = {};
  try {
    const body = JSON.parse(text) as { error?: typeof error; detail?: unknown };
    error = body.error ?? { message: body.detail };
  } catch {
    // No JSON: the answer of a proxy. Its text is for nobody.
  }
  const code = typeof error.code === 'string' ? error.code : null;
  const message = typeof error.message === 'string' ? error.message : '';
  const after = Number(response.headers.get('retry-after') ?? NaN);
  return new RequestFailed(response.status, code, message, Number.isFinite(after) ? after : null);
}
