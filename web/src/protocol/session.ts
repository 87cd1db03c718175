/** One thread as this client sees it: its items, and the stream that changes them. It outlives its view. */
import { Store } from '../store';
import { RequestFailed, type Api, type StreamedEvent } from './api';
import { applyToItems, put, type Items } from './reducer';
import type {
  ClientToolCallItem,
  ItemUpdate,
  NoticeEvent,
  ProgressEvent,
  StreamEvent,
  StreamingRequests,
  Thread,
  ThreadItem,
  ThreadMetadata,
  UserMessageInput,
  UserMessageItem,
} from './types';

const PAGE_SIZE = 50;
/** The waits between attempts to reach a lost stream again, in ms; the last one repeats. */
const BACKOFF = [300, 1000, 2000, 4000, 8000, 15000];
/** How long a stopped turn may take to end, in ms, before its connection is closed. */
const STOP_GRACE = 5000;
/** How long events wait for a frame to be painted, in ms: a page that is not visible paints none. */
const FLUSH_LIMIT = 200;

/** What the user can do about a failure. */
export type WayOut = 'resend' | 'retry' | 'reload' | 'none';

export interface Failure {
  /** From the server; null: the interface says it, by `kind`. */
  message: string | null;
  kind: 'offline' | 'lost' | 'unauthorized' | 'busy' | 'missing' | 'too_large' | 'failed';
  wayOut: WayOut;
}

export type TurnPhase = 'idle' | 'starting' | 'running' | 'stopping' | 'reconnecting';

export interface SessionState {
  id: string | null;
  thread: ThreadMetadata | null;
  items: Items;
  /** A message that was sent, and that the server has not confirmed yet. */
  pending: UserMessageItem | null;
  /** Items that are still being written. */
  open: ReadonlySet<string>;
  phase: TurnPhase;
  canStop: boolean;
  progress: ProgressEvent | null;
  failure: Failure | null;
  notices: readonly NoticeEvent[];
  loading: boolean;
  /** The cursor of the page before the first item; null: the first item is the thread's. */
  olderCursor: string | null;
  loadingOlder: boolean;
  /** Of how many items in front the first page has grown: the view keeps its place by it. */
  prepended: number;
  feedback: Readonly<Record<string, 'positive' | 'negative'>>;
}

const NEW: SessionState = {
  id: null,
  thread: null,
  items: [],
  pending: null,
  open: new Set(),
  phase: 'idle',
  canStop: false,
  progress: null,
  failure: null,
  notices: [],
  loading: false,
  olderCursor: null,
  loadingOlder: false,
  prepended: 0,
  feedback: {},
};

/** What a session tells the client about. */
export interface SessionListener {
  onCreated(session: ThreadSession): void;
  onThread(session: ThreadSession, thread: ThreadMetadata): void;
  onEffect(name: string, data: Record<string, unknown>): void;
  onResponseStart(session: ThreadSession): void;
  onResponseEnd(session: ThreadSession): void;
  onError(error: Error): void;
  /** Carry out a client tool, and return its result. */
  onClientTool(call: ClientToolCallItem): Promise<unknown>;
}

type Open = (signal: AbortSignal) => Promise<AsyncGenerator<StreamedEvent> | null>;

let sessions = 0;

export class ThreadSession extends Store<SessionState> {
  /** Of this session, also before the thread has an id. */
  readonly key = ++sessions;
  #abort: AbortController | null = null;
  #lastId: string | null = null;
  #inbox: StreamEvent[] = [];
  #scheduled: (() => void) | null = null;
  #turns: Promise<unknown> = Promise.resolve();
  #hurry: (() => void) | null = null;
  #resend: (() => Promise<void>) | null = null;
  #isReading = false;
  /** Called at the end of the turn. */
  #ends: (() => void)[] = [];

  constructor(
    id: string | null,
    private readonly api: Api,
    private readonly listener: SessionListener,
  ) {
    super({ ...NEW, id });
  }

  get id(): string | null {
    return this.get().id;
  }

  get isBusy(): boolean {
    return this.get().phase !== 'idle';
  }

  // Requests

  /** Send a message. Resolves when the server has accepted it. */
  send(input: UserMessageInput, shown: UserMessageItem): Promise<void> {
    const attempt = (): Promise<void> => {
      this.#change({ pending: shown, failure: null });
      return this.#turn((signal) => {
        // Once more: the turn before may have ended only now.
        this.#change({ pending: shown });
        const { id } = this.get();
        return id === null
          ? this.api.stream('threads.create', { input }, signal)
          : this.api.stream('threads.add_user_message', { input, thread_id: id }, signal);
      }, 'resend');
    };
    this.#resend = attempt;
    return attempt();
  }

  /** Send the message again that could not be sent. */
  async resend(): Promise<void> {
    await this.#resend?.().catch(() => {});
  }

  /** Resolves when the server has accepted the request. */
  stream<T extends keyof StreamingRequests>(type: T, params: StreamingRequests[T]): Promise<void> {
    return this.#turn((signal) => this.api.stream(type, params, signal), 'reload');
  }

  /** Resolves when the turn of the request has ended. */
  async perform<T extends keyof StreamingRequests>(type: T, params: StreamingRequests[T]): Promise<void> {
    let ended = Promise.resolve();
    await this.#turn((signal) => {
      ended = new Promise((resolve) => this.#ends.push(resolve));
      return this.api.stream(type, params, signal);
    }, 'reload');
    await ended;
  }

  /** Let the server answer anew after an item; without one, after the user's last message. */
  async retry(itemId?: string): Promise<void> {
    const { id, items } = this.get();
    const after = itemId ?? items.findLast(({ type }) => type === 'user_message')?.id;
    if (id !== null && after) await this.stream('threads.retry_after_item', { thread_id: id, item_id: after });
  }

  async stop(): Promise<void> {
    const { id, phase } = this.get();
    const abort = this.#abort;
    if (phase === 'idle' || !abort) return;
    this.#change({ phase: 'stopping' });
    // Without ids the server knows no other way than a connection that is closed.
    if (id === null || this.#lastId === null || !this.#isReading) return abort.abort();
    const late = setTimeout(() => abort.abort(), STOP_GRACE);
    abort.signal.addEventListener('abort', () => clearTimeout(late));
    await this.api.stop(id).catch(() => abort.abort());
  }

  /** Reach a lost stream at once, not after the next wait. */
  hurry(): void {
    this.#hurry?.();
  }

  async giveFeedback(itemIds: string[], kind: 'positive' | 'negative'): Promise<void> {
    const { id, feedback } = this.get();
    if (id === null) return;
    this.#change({ feedback: { ...feedback, ...Object.fromEntries(itemIds.map((itemId) => [itemId, kind])) } });
    try {
      await this.api.request('items.feedback', { thread_id: id, item_ids: itemIds, kind });
    } catch (error) {
      this.#change({ feedback });
      throw error;
    }
  }

  dismissNotice(notice: NoticeEvent): void {
    this.#change({ notices: this.get().notices.filter((each) => each !== notice) });
  }

  putItem(item: ThreadItem): void {
    this.#change({ items: put(this.get().items, item) });
  }

  setThread(thread: ThreadMetadata): void {
    this.#change({ thread });
  }

  // Loading

  /** Load the end of the thread, and read its running turn on. Throws RequestFailed. */
  async load(): Promise<void> {
    this.#change({ loading: true, failure: null });
    try {
      await this.#loadEnd();
    } catch (error) {
      this.#change({ failure: failureOf(error, 'reload') });
      throw error;
    } finally {
      this.#change({ loading: false });
    }
    void this.#turn((signal) => this.#follow(null, signal), 'none', true).catch(() => {});
  }

  /** Fetch what has changed on the server. */
  async refresh(): Promise<void> {
    if (this.id === null) return;
    if (this.isBusy) return;
    await this.#loadEnd();
    this.#change({ failure: null });
  }

  async #loadEnd(): Promise<void> {
    const { id } = this.get();
    if (id === null) return;
    const [{ items: _, ...thread }, page] = await Promise.all([
      this.api.request('threads.get_by_id', { thread_id: id }),
      this.api.request('items.list', { thread_id: id, limit: PAGE_SIZE, order: 'desc' }),
    ]);
    const loaded = page.data.toReversed();
    const { items, olderCursor } = this.get();
    // Older items that were loaded stay where they are.
    const first = loaded[0] ? items.findIndex(({ id: each }) => each === loaded[0]?.id) : -1;
    const cursor = page.has_more ? (page.after ?? loaded[0]?.id ?? null) : null;
    this.#change(
      first > 0
        ? { thread, items: [...items.slice(0, first), ...loaded], olderCursor }
        : { thread, items: loaded, olderCursor: cursor, prepended: 0 },
    );
    this.listener.onThread(this, thread);
  }

  /** Load the page before the first item. */
  async loadOlder(): Promise<void> {
    const { id, olderCursor, loadingOlder } = this.get();
    if (id === null || olderCursor === null || loadingOlder) return;
    this.#change({ loadingOlder: true });
    try {
      const page = await this.api.request('items.list', { thread_id: id, limit: 100, order: 'desc', after: olderCursor });
      const { items, prepended } = this.get();
      const known = new Set(items.map((item) => item.id));
      const older = page.data.toReversed().filter((item) => !known.has(item.id));
      this.#change({
        items: [...older, ...items],
        olderCursor: page.has_more ? (page.after ?? older[0]?.id ?? null) : null,
        prepended: prepended + older.length,
      });
    } finally {
      this.#change({ loadingOlder: false });
    }
  }

  // Turns

  /** Turns of a thread follow each other. Resolves when the server has accepted the request. */
  #turn(open: Open, wayOut: WayOut, silent = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#turns = this.#turns.then(() => this.#play(open, wayOut, silent, resolve)).catch((error: unknown) => reject(error as Error));
    });
  }

  async #play(open: Open, wayOut: WayOut, silent: boolean, accepted: () => void): Promise<void> {
    let next: Open | null = open;
    let started = false;
    try {
      while (next) {
        const abort = (this.#abort = new AbortController());
        if (!silent) this.#change({ phase: 'starting', canStop: true, progress: null, failure: null, notices: [] });
        const events = await next(abort.signal);
        accepted();
        if (events) {
          this.#change({ phase: 'running', canStop: true });
          if (!started) this.listener.onResponseStart(this);
          started = true;
          this.#isReading = true;
          await this.#read(events, abort.signal);
          this.#isReading = false;
        }
        next = abort.signal.aborted ? null : await this.#answerTool();
        if (abort.signal.aborted) next = null;
        silent = false;
      }
    } catch (error) {
      if ((error as Error).name !== 'AbortError') {
        if (!silent) this.#change({ failure: failureOf(error, wayOut) });
        this.listener.onError(error as Error);
        throw error;
      }
    } finally {
      this.#flush();
      this.#abort = null;
      this.#isReading = false;
      const { pending, failure } = this.get();
      this.#change({ phase: 'idle', open: new Set(), progress: null, pending: failure ? pending : null });
      if (started) this.listener.onResponseEnd(this);
      for (const end of this.#ends.splice(0)) end();
    }
  }

  /** Carry out the client tool that the turn has ended with; what follows is its continuation. */
  async #answerTool(): Promise<Open | null> {
    this.#flush();
    const { id, items } = this.get();
    const call = items.findLast(({ type }) => type !== 'end_of_turn');
    if (id === null || call?.type !== 'client_tool_call' || call.status !== 'pending') return null;
    const result = await this.listener.onClientTool(call);
    this.putItem({ ...call, status: 'completed', output: result });
    return (signal) => this.api.stream('threads.add_client_tool_output', { thread_id: id, result }, signal);
  }

  /** Read a stream to its end, over lost connections. */
  async #read(events: AsyncGenerator<StreamedEvent>, signal: AbortSignal): Promise<void> {
    this.#lastId = null;
    let current: AsyncGenerator<StreamedEvent> | null = events;
    while (current) {
      try {
        for await (const { id, event } of current) {
          this.#lastId = id;
          this.#receive(event);
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#flush();
        if (this.id === null || this.#lastId === null) throw new RequestFailed(0, 'lost', (error as Error).message);
        current = await this.#reconnect(signal);
      }
    }
    // The turn has ended while nothing was heard of it.
    await this.#loadEnd().catch((error: unknown) => this.listener.onError(error as Error));
  }

  /** null: the turn is over. */
  async #reconnect(signal: AbortSignal): Promise<AsyncGenerator<StreamedEvent> | null> {
    this.#change({ phase: 'reconnecting' });
    for (let attempt = 0; !signal.aborted; attempt++) {
      await this.#wait(BACKOFF[Math.min(attempt, BACKOFF.length - 1)] as number, signal);
      try {
        const events = await this.#follow(this.#lastId, signal);
        this.#change({ phase: 'running' });
        return events;
      } catch (error) {
        if (signal.aborted) return null;
        const { status } = error as RequestFailed;
        // Another attempt can't help where the server has answered that it will not.
        if (status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429) throw error;
      }
    }
    return null;
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        removeEventListener('online', done);
        this.#hurry = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      addEventListener('online', done);
      signal.addEventListener('abort', done);
      this.#hurry = done;
    });
  }

  /** A server without this address (404, 405) has no turns that can be read on. */
  async #follow(after: string | null, signal: AbortSignal): Promise<AsyncGenerator<StreamedEvent> | null> {
    const { id } = this.get();
    if (id === null) return null;
    try {
      return await this.api.follow(id, after, signal);
    } catch (error) {
      if (error instanceof RequestFailed && (error.status === 404 || error.status === 405)) return null;
      throw error;
    }
  }

  // Events

  #receive(event: StreamEvent): void {
    if (event.type === 'client_effect') {
      this.listener.onEffect(event.name, event.data);
      return;
    }
    this.#inbox.push(event);
    if (event.type === 'thread.created') this.#flush();
    if (!this.#scheduled) {
      const frame = requestAnimationFrame(() => this.#flush());
      const timer = setTimeout(() => this.#flush(), FLUSH_LIMIT);
      this.#scheduled = () => {
        cancelAnimationFrame(frame);
        clearTimeout(timer);
      };
    }
  }

  #flush(): void {
    this.#scheduled?.();
    this.#scheduled = null;
    const events = this.#inbox.splice(0);
    if (events.length) {
      let state = this.get();
      for (const event of events) state = reduce(state, event);
      this.set(state);
      for (const event of events) {
        if (event.type === 'thread.created') this.listener.onCreated(this);
        if (event.type === 'thread.created' || event.type === 'thread.updated') this.listener.onThread(this, event.thread);
        if (event.type === 'error') this.listener.onError(Object.assign(new Error(event.message ?? event.code), { name: 'StreamError' }));
      }
    }
  }

  #change(part: Partial<SessionState>): void {
    this.#flush();
    this.patch(part);
  }
}

function reduce(state: SessionState, event: StreamEvent): SessionState {
  switch (event.type) {
    case 'thread.created':
    case 'thread.updated':
      return { ...state, id: event.thread.id, thread: metadataOf(event.thread) };
    case 'stream_options':
      return { ...state, canStop: event.stream_options.allow_cancel };
    case 'progress_update':
      return { ...state, progress: event };
    case 'notice':
      return { ...state, notices: [...state.notices, event] };
    case 'error':
      return {
        ...state,
        failure: { message: event.message ?? null, kind: 'failed', wayOut: event.allow_retry ? 'retry' : 'none' },
      };
    default: {
      const items = applyToItems(state.items, event);
      if (items === state.items) return state;
      return { ...state, items, ...sideStates(state, event) };
    }
  }
}

/** What an event of an item changes besides the items. */
function sideStates(state: SessionState, event: StreamEvent): Partial<SessionState> {
  if (event.type === 'thread.item.added') {
    const confirmed = event.item.type === 'user_message';
    return { open: new Set([...state.open, event.item.id]), progress: null, pending: confirmed ? null : state.pending };
  }
  if (event.type === 'thread.item.done' || event.type === 'thread.item.replaced') {
    const open = new Set(state.open);
    open.delete(event.item.id);
    return { open, progress: null, pending: event.item.type === 'user_message' ? null : state.pending };
  }
  return event.type === 'thread.item.updated' && isText(event.update) ? { progress: null } : {};
}

function isText(update: ItemUpdate): boolean {
  return update.type === 'assistant_message.content_part.text_delta';
}

function metadataOf({ items: _, ...thread }: Thread): ThreadMetadata {
  return thread;
}

export function failureOf(error: unknown, wayOut: WayOut): Failure {
  if (!(error instanceof RequestFailed)) return { message: null, kind: 'failed', wayOut };
  const message = error.message || null;
  switch (error.status) {
    case 0:
      return { message: null, kind: error.code === 'lost' ? 'lost' : 'offline', wayOut: error.code === 'lost' ? 'reload' : wayOut };
    case 401:
      return { message: null, kind: 'unauthorized', wayOut };
    case 404:
      return { message: null, kind: 'missing', wayOut: 'none' };
    case 413:
      return { message, kind: 'too_large', wayOut: 'none' };
    case 429:
    case 503:
      return { message, kind: 'busy', wayOut };
    default:
      return { message, kind: 'failed', wayOut };
  }
}
