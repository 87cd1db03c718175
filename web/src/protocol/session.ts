/** One thread as this client sees it: its items, and the stream that changes them. It outlives its view. */
import { Store } from '../store';
import { RequestFailed, type Api, type StreamedEvent } from './api';
import { failureOf, type Failure, type WayOut } from './failure';
import { put } from './reducer';
import { confirms, isSame, NEW, reduce, type OutboxEntry, type SessionState } from './sessionState';
import type {
  ClientToolCallItem,
  NoticeEvent,
  StreamEvent,
  StreamingRequests,
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

/** The callbacks of a session. */
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

interface TurnOptions {
  /** What the user can do about a failure of the turn. */
  wayOut?: WayOut;
  /** Show nothing before the turn is known to run. */
  silent?: boolean;
  /** The local id of the message that the turn sends. */
  messageId?: string;
}

let sessions = 0;

export class ThreadSession extends Store<SessionState> {
  /** Of this session, also before the thread has an id. */
  readonly key = ++sessions;
  #abort: AbortController | null = null;
  #lastId: string | null = null;
  #inbox: StreamEvent[] = [];
  #scheduled: (() => void) | null = null;
  #turns: Promise<unknown> = Promise.resolve();
  #endWait: (() => void) | null = null;
  /** The local id of the message that the running turn sends, until the server confirms it. */
  #sending: string | null = null;
  /** The local ids of messages that were sent, by those that the server gave them. */
  readonly #localIds = new Map<string, string>();
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

  /** Return the key of an item's row: a message keeps its own when the server has stored it. */
  keyOf({ id }: ThreadItem): string {
    return this.#localIds.get(id) ?? id;
  }

  get hasUnsent(): boolean {
    return this.get().outbox.length > 0;
  }

  // Requests

  /** Send a message. Resolves when the server has accepted it. */
  send(input: UserMessageInput, item: UserMessageItem): Promise<void> {
    return this.#deliver({ input, item, failure: null });
  }

  /** Send a message again that could not be sent. */
  async resend({ item }: OutboxEntry): Promise<void> {
    const entry = this.get().outbox.find((each) => each.item.id === item.id);
    // A second click comes before the first is drawn.
    if (entry?.failure) await this.#deliver({ ...entry, failure: null }).catch(() => {});
  }

  /** Take back a message that could not be sent. */
  withdraw({ item }: OutboxEntry): void {
    this.#change({ outbox: this.get().outbox.filter((each) => each.item.id !== item.id) });
  }

  #deliver(message: OutboxEntry): Promise<void> {
    const { input, item } = message;
    const others = this.get().outbox.filter((each) => each.item.id !== item.id);
    this.#change({ outbox: [...others, message], asked: this.get().asked + 1, failure: null });
    const open: Open = (signal) => {
      const { id } = this.get();
      return id === null
        ? this.api.stream('threads.create', { input }, signal)
        : this.api.stream('threads.add_user_message', { input, thread_id: id }, signal);
    };
    return this.#turn(open, { messageId: item.id });
  }

  /** Resolves when the server has accepted the request. */
  stream<T extends keyof StreamingRequests>(type: T, params: StreamingRequests[T]): Promise<void> {
    return this.#turn((signal) => this.api.stream(type, params, signal));
  }

  /** Resolves when the turn of the request has ended. */
  async perform<T extends keyof StreamingRequests>(type: T, params: StreamingRequests[T]): Promise<void> {
    let ended = Promise.resolve();
    await this.#turn((signal) => {
      ended = new Promise((resolve) => this.#ends.push(resolve));
      return this.api.stream(type, params, signal);
    });
    await ended;
  }

  /** Let the server answer anew after an item; without one, after the user's last message. */
  async retry(itemId?: string): Promise<void> {
    const { id, items } = this.get();
    const after = itemId ?? items.findLast(({ type }) => type === 'user_message')?.id;
    if (id === null || !after) return;
    await this.#turn(async (signal) => {
      const events = await this.api.stream('threads.retry_after_item', { thread_id: id, item_id: after }, signal);
      // The server has deleted what followed, and sends no event of it.
      const { items: current, asked } = this.get();
      this.#change({ items: current.slice(0, current.findIndex((item) => item.id === after) + 1 || undefined), asked: asked + 1 });
      return events;
    });
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
  reconnectNow(): void {
    this.#endWait?.();
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
    void this.#turn((signal) => this.#follow(null, signal), { silent: true }).catch(() => {});
  }

  /** Fetch what has changed on the server. */
  async refresh(): Promise<void> {
    if (this.id === null || this.isBusy) return;
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
    const { items, olderCursor, outbox } = this.get();
    // Older items that were loaded stay where they are.
    const first = loaded[0] ? items.findIndex(({ id: each }) => each === loaded[0]?.id) : -1;
    const cursor = page.has_more ? (page.after ?? loaded[0]?.id ?? null) : null;
    const known = new Set(items.map((item) => item.id));
    const arrived = loaded.filter((item) => !known.has(item.id));
    this.#change({
      ...(first > 0
        ? { thread, items: [...items.slice(0, first), ...loaded], olderCursor }
        : { thread, items: loaded, olderCursor: cursor, prepended: 0 }),
      outbox: outbox.filter((message) => !(this.#mayHaveArrived(message) && arrived.some((item) => isSame(item, message.item)))),
    });
    this.listener.onThread(this, thread);
  }

  /** Whether the server may have a message that it could not confirm, because the connection was lost. */
  #mayHaveArrived({ item, failure }: OutboxEntry): boolean {
    return item.id === this.#sending || failure?.kind === 'lost' || failure?.kind === 'stopped';
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
  #turn(open: Open, options: TurnOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#turns = this.#turns.then(() => this.#play(open, options, resolve)).catch((error: unknown) => reject(error as Error));
    });
  }

  async #play(open: Open, { wayOut = 'reload', silent = false, messageId }: TurnOptions, accepted: () => void): Promise<void> {
    let next: Open | null = open;
    let started = false;
    let problem = null as Error | null;
    this.#sending = messageId ?? null;
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
      problem = error as Error;
      const isAbort = problem.name === 'AbortError';
      if (!isAbort) this.listener.onError(problem);
      // A message that was stopped before the server had it is not sent; another request is just over.
      if (!isAbort || this.#isUnconfirmed(messageId)) throw problem;
      accepted();
    } finally {
      this.#flush();
      const isStopped = this.#abort?.signal.aborted === true;
      this.#abort = null;
      this.#isReading = false;
      if (this.#isUnconfirmed(messageId)) this.#keepUnsent(messageId, problem, isStopped);
      else if (problem && !isStopped && !silent) this.#change({ failure: failureOf(problem, wayOut) });
      this.#sending = null;
      this.#change({ phase: 'idle', open: new Set(), progress: null });
      if (started) this.listener.onResponseEnd(this);
      for (const end of this.#ends.splice(0)) end();
    }
  }

  #isUnconfirmed(messageId: string | undefined): messageId is string {
    this.#flush();
    return this.get().outbox.some(({ item }) => item.id === messageId);
  }

  /** Say at a message that was not sent why; the failure of its turn is its own. */
  #keepUnsent(messageId: string, problem: Error | null, isStopped: boolean): void {
    const { outbox, failure: ofTurn } = this.get();
    let failure: Failure = { message: ofTurn?.message ?? null, kind: ofTurn ? 'failed' : 'lost', wayOut: 'resend' };
    if (isStopped) failure = { message: null, kind: 'stopped', wayOut: 'resend' };
    else if (problem) failure = failureOf(problem, 'resend');
    this.#change({
      failure: null,
      outbox: outbox.map((message) => (message.item.id === messageId ? { ...message, failure } : message)),
    });
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
    // The turn has ended while the connection was lost.
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
        this.#endWait = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      addEventListener('online', done);
      signal.addEventListener('abort', done);
      this.#endWait = done;
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
      for (const event of events) {
        const known = state.items;
        state = reduce(state, event);
        if (!confirms(event)) continue;
        // The answer to one message can't confirm another.
        const sent = this.#sending;
        if (sent !== null) this.#localIds.set(event.item.id, sent);
        // Nobody has sent it: an action has made it.
        else if (!known.some(({ id }) => id === event.item.id)) state = { ...state, asked: state.asked + 1 };
        state = { ...state, outbox: state.outbox.filter(({ item }) => item.id !== sent) };
        this.#sending = null;
      }
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
