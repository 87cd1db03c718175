/** What is known of a thread on this client, and what the events of its turns do to that. */
import type { Failure } from './failure';
import { applyToItems, type Items } from './reducer';
import type {
  ItemUpdate,
  NoticeEvent,
  ProgressEvent,
  StreamEvent,
  Thread,
  ThreadItem,
  ThreadMetadata,
  UserMessageInput,
  UserMessageItem,
} from './types';

/** A message that the server has not confirmed yet. */
export interface OutboxEntry {
  input: UserMessageInput;
  /** As it is shown. */
  item: UserMessageItem;
  /** Why it was not sent; null: it is being sent, or waits for its turn. */
  failure: Failure | null;
}

export type TurnPhase = 'idle' | 'starting' | 'running' | 'stopping' | 'reconnecting';

export interface SessionState {
  id: string | null;
  thread: ThreadMetadata | null;
  items: Items;
  /** Messages without the server's confirmation. One that could not be sent stays until its user decides. */
  outbox: readonly OutboxEntry[];
  /** How often the user has asked something, or has asked it again. The view shows the question then. */
  asked: number;
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

export const NEW: SessionState = {
  id: null,
  thread: null,
  items: [],
  outbox: [],
  asked: 0,
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

/** What an event does to the state. */
export function reduce(state: SessionState, event: StreamEvent): SessionState {
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
    // An answer without a word shows nothing of its own.
    const isEmpty = event.item.type === 'assistant_message' && !event.item.content.some(({ text }) => text);
    return { open: new Set([...state.open, event.item.id]), progress: isEmpty ? state.progress : null };
  }
  if (event.type === 'thread.item.done' || event.type === 'thread.item.replaced') {
    const open = new Set(state.open);
    open.delete(event.item.id);
    return { open, progress: null };
  }
  return event.type === 'thread.item.updated' && isText(event.update) ? { progress: null } : {};
}

/** Whether an event says that the server has the message that was sent. */
export function confirms(event: StreamEvent): event is StreamEvent & { item: UserMessageItem } {
  const isItem = event.type === 'thread.item.added' || event.type === 'thread.item.done' || event.type === 'thread.item.replaced';
  return isItem && event.item.type === 'user_message';
}

/** Whether an item of the server is the message that was sent to it. */
export function isSame(item: ThreadItem, sent: UserMessageItem): boolean {
  if (item.type !== 'user_message' || (item.attachments?.length ?? 0) !== (sent.attachments?.length ?? 0)) return false;
  const textOf = ({ content }: UserMessageItem): string => content.map(({ text }) => text).join('');
  return textOf(item) === textOf(sent) && (item.quoted_text || null) === (sent.quoted_text || null);
}

function isText(update: ItemUpdate): boolean {
  return update.type === 'assistant_message.content_part.text_delta';
}

function metadataOf({ items: _, ...thread }: Thread): ThreadMetadata {
  return thread;
}
