/** The list of the user's threads, newest first, page by page. */
import type { Api } from '../protocol/api';
import type { ThreadMetadata } from '../protocol/types';
import { Store } from '../store';

const PAGE_SIZE = 30;

export interface HistoryState {
  threads: readonly ThreadMetadata[];
  phase: 'new' | 'loading' | 'loaded' | 'failed';
  after: string | null;
  hasMore: boolean;
}

export class History extends Store<HistoryState> {
  constructor(private readonly api: Api) {
    super({ threads: [], phase: 'new', after: null, hasMore: true });
  }

  /** Load the first page anew. */
  async open(): Promise<void> {
    await this.#load(null);
  }

  async refresh(): Promise<void> {
    if (this.get().phase !== 'new') await this.#load(null);
  }

  async loadMore(): Promise<void> {
    const { hasMore, phase, after } = this.get();
    if (hasMore && phase !== 'loading') await this.#load(after);
  }

  async #load(after: string | null): Promise<void> {
    this.patch({ phase: 'loading' });
    try {
      const page = await this.api.request('threads.list', { limit: PAGE_SIZE, order: 'desc', after });
      const before = after === null ? [] : this.get().threads;
      const known = new Set(before.map(({ id }) => id));
      this.set({
        threads: [...before, ...page.data.filter(({ id }) => !known.has(id))],
        phase: 'loaded',
        after: page.after ?? page.data.at(-1)?.id ?? null,
        hasMore: page.has_more,
      });
    } catch {
      this.patch({ phase: 'failed' });
    }
  }

  /** A thread that has changed, a title perhaps. */
  put(thread: ThreadMetadata): void {
    const { threads } = this.get();
    const index = threads.findIndex(({ id }) => id === thread.id);
    if (index >= 0) this.patch({ threads: threads.with(index, thread) });
  }

  async delete(threadId: string): Promise<void> {
    await this.api.request('threads.delete', { thread_id: threadId });
    this.patch({ threads: this.get().threads.filter(({ id }) => id !== threadId) });
  }

  async rename(threadId: string, title: string): Promise<ThreadMetadata> {
    const thread = await this.api.request('threads.update', { thread_id: threadId, title });
    this.put(thread);
    return thread;
  }
}
