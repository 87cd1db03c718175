/** The client behind the views: options, the thread that is shown, and what the page can ask for. */
import type { Entity } from '@openai/chatkit';
import { createContext, useContext } from 'react';
import type { EventDetail, EventName, Host, Methods, Options } from './host/host';
import { History } from './history/history';
import { Api } from './protocol/api';
import { ThreadSession, type SessionListener } from './protocol/session';
import type { OutboxEntry } from './protocol/sessionState';
import type {
  ActionConfig,
  Attachment,
  ClientToolCallItem,
  InferenceOptions,
  ThreadMetadata,
  UserMessageContent,
  UserMessageItem,
  WidgetItem,
  WidgetNode,
} from './protocol/types';
import { Store } from './store';
import { ComposerState } from './composer/state';

/** What a message is made of. */
export interface OutgoingMessage {
  content: UserMessageContent[];
  attachments: Attachment[];
  quote: string | null;
  inference: InferenceOptions;
}

let localIds = 0;

export class ChatClient implements SessionListener, Methods {
  readonly options: Store<Options>;
  readonly active: Store<ThreadSession>;
  /** CSS variables of the page. */
  readonly variables = new Store<Record<string, string>>({});
  readonly historyOpen = new Store(false);
  readonly api: Api;
  readonly history: History;
  readonly composer: ComposerState;
  /** Sessions that are shown or whose turn still runs, by the id of their thread. */
  readonly #sessions = new Map<string, ThreadSession>();
  /** New threads that were left with a message that is not sent. */
  #drafts: ThreadSession[] = [];

  constructor(
    readonly host: Host,
    options: Options,
  ) {
    this.options = new Store(options);
    this.api = new Api(host, this.options.get);
    this.active = new Store(new ThreadSession(null, this.api, this));
    this.history = new History(this.api);
    this.composer = new ComposerState(this);
  }

  emit<K extends EventName>(name: K, ...detail: EventDetail<K> extends void ? [] : [EventDetail<K>]): void {
    this.host.emit(name, ...detail);
  }

  log(name: string, data?: Record<string, unknown>): void {
    this.host.emit('chatkit.log', data ? { name, data } : { name });
  }

  // Threads

  async setThreadId(threadId: string | null): Promise<void> {
    this.historyOpen.get() && (await this.hideHistory());
    const shown = this.active.get();
    if (shown.id === threadId && (threadId !== null || !shown.isBusy)) return;
    if (threadId === null) {
      this.#drafts = this.#drafts.filter(({ id, hasUnsent }) => id === null && hasUnsent);
      const draft = this.#drafts.find(({ isBusy }) => !isBusy);
      this.#show(draft ?? new ThreadSession(null, this.api, this));
      return;
    }
    const known = this.#sessions.get(threadId);
    const session = known ?? new ThreadSession(threadId, this.api, this);
    this.#sessions.set(threadId, session);
    this.#show(session);
    if (known) {
      await known.refresh().catch((error: Error) => this.onError(error));
      return;
    }
    this.emit('chatkit.thread.load.start', { threadId });
    try {
      await session.load();
    } catch (error) {
      // The view says what the user can do; the page learns of it from the event.
      this.onError(error as Error);
    } finally {
      this.emit('chatkit.thread.load.end', { threadId });
    }
  }

  #show(session: ThreadSession): void {
    const before = this.active.get();
    if (session === before) return;
    this.active.set(session);
    if (before.id === null && before.hasUnsent && !this.#drafts.includes(before)) this.#drafts.push(before);
    this.#forget(before);
    if (before.id !== session.id) this.emit('chatkit.thread.change', { threadId: session.id });
  }

  /** Keep what still runs, or has a message that is not sent. */
  #forget(session: ThreadSession): void {
    if (session.id !== null && !session.isBusy && !session.hasUnsent) this.#sessions.delete(session.id);
  }

  onCreated(session: ThreadSession): void {
    const { id } = session;
    if (id === null) return;
    this.#sessions.set(id, session);
    if (session === this.active.get()) this.emit('chatkit.thread.change', { threadId: id });
  }

  onThread(_session: ThreadSession, thread: ThreadMetadata): void {
    this.history.put(thread);
  }

  onResponseStart(session: ThreadSession): void {
    if (session === this.active.get()) this.emit('chatkit.response.start');
  }

  onResponseEnd(session: ThreadSession): void {
    if (session !== this.active.get()) {
      this.#forget(session);
      return;
    }
    this.emit('chatkit.response.end');
  }

  onEffect(name: string, data: Record<string, unknown>): void {
    this.emit('chatkit.effect', { name, data });
  }

  onError(error: Error): void {
    this.emit('chatkit.error', { error });
  }

  /** An error of the page's tool is its result: the model can say so, and the conversation goes on. */
  async onClientTool({ name, arguments: params }: ClientToolCallItem): Promise<unknown> {
    try {
      if (!this.host.has('onClientTool')) throw new Error(`the page has no onClientTool, so ${name} can't run`);
      return (await this.host.call('onClientTool', { name, params })) ?? {};
    } catch (error) {
      this.onError(error as Error);
      return { error: (error as Error).message };
    }
  }

  async fetchUpdates(): Promise<void> {
    await Promise.all([this.active.get().refresh(), this.history.refresh()]);
  }

  // Messages

  async sendUserMessage(params: Parameters<Methods['sendUserMessage']>[0]): Promise<void> {
    if (params.newThread) await this.setThreadId(null);
    await this.send({
      content: params.content ? params.content.map(withData) : [{ type: 'input_text', text: params.text ?? '' }],
      attachments: params.attachments ?? [],
      quote: params.reply ?? null,
      inference: {
        ...(params.toolChoice && { tool_choice: params.toolChoice }),
        ...(params.model && { model: params.model }),
      },
    });
  }

  /** Resolves when the server has accepted the message. */
  send({ content, attachments, quote, inference }: OutgoingMessage): Promise<void> {
    const session = this.active.get();
    const shown: UserMessageItem = {
      type: 'user_message',
      id: `local-${++localIds}`,
      thread_id: session.id ?? '',
      created_at: new Date().toISOString(),
      content,
      attachments,
      quoted_text: quote,
      inference_options: inference,
    };
    this.log('composer.submit', { threadId: session.id });
    const input = { content, attachments: attachments.map(({ id }) => id), quoted_text: quote, inference_options: inference };
    return session.send(input, shown);
  }

  /** Put a message that could not be sent back into the composer. */
  editUnsent(session: ThreadSession, entry: OutboxEntry): void {
    session.withdraw(entry);
    const { content, attachments, quoted_text: quote, inference_options: inference } = entry.item;
    this.composer.restore({ content, attachments: attachments ?? [], quote: quote || null, inference: inference ?? {} });
  }

  async setComposerValue(params: Parameters<Methods['setComposerValue']>[0]): Promise<void> {
    await this.composer.setValue(params);
  }

  async focusComposer(): Promise<void> {
    this.composer.focus();
  }

  // Actions

  async sendCustomAction(action: { type: string; payload?: unknown }, itemId?: string): Promise<void> {
    const session = this.active.get();
    if (session.id === null) throw new Error('an action needs a thread (send a message, or call setThreadId, first)');
    await session.stream('threads.custom_action', { thread_id: session.id, item_id: itemId ?? null, action });
  }

  /** Carry out an action of a widget, where it says. Resolves when it has been carried out. */
  async runAction(session: ThreadSession, item: WidgetItem, action: ActionConfig): Promise<void> {
    const { type, payload } = action;
    const data = payload === undefined ? { type } : { type, payload };
    if (action.handler === 'client') {
      await this.host.call('widgets.onAction', data, { id: item.id, widget: item.widget });
      return;
    }
    const { id } = session;
    if (id === null) return;
    const params = { thread_id: id, item_id: item.id, action: data };
    if (action.streaming !== false) return session.perform('threads.custom_action', params);
    const { updated_item: updated } = await this.api.request('threads.sync_custom_action', params);
    if (updated) session.putItem(updated);
  }

  // History

  async showHistory(): Promise<void> {
    if (this.options.get().history?.enabled === false || this.historyOpen.get()) return;
    this.historyOpen.set(true);
    this.emit('chatkit.history.open');
  }

  async hideHistory(): Promise<void> {
    if (!this.historyOpen.get()) return;
    this.historyOpen.set(false);
    this.emit('chatkit.history.close');
  }

  /** Delete a thread; if it is shown, a new one takes its place. */
  async deleteThread(threadId: string): Promise<void> {
    await this.history.delete(threadId);
    this.#sessions.delete(threadId);
    if (this.active.get().id === threadId) this.#show(new ThreadSession(null, this.api, this));
  }

  async renameThread(threadId: string, title: string): Promise<void> {
    const thread = await this.history.rename(threadId, title);
    this.#sessions.get(threadId)?.setThread(thread);
  }

  // Entities

  async searchEntities(query: string): Promise<Entity[]> {
    if (!this.host.has('entities.onTagSearch')) return [];
    const found = await this.host.call('entities.onTagSearch', query);
    return Array.isArray(found) ? (found as Entity[]) : [];
  }

  clickEntity(entity: Entity): void {
    if (this.host.has('entities.onClick')) this.host.call('entities.onClick', entity).catch((error: Error) => this.onError(error));
  }

  async previewEntity(entity: Entity): Promise<WidgetNode | null> {
    if (!this.host.has('entities.onRequestPreview')) return null;
    const answer = (await this.host.call('entities.onRequestPreview', entity)) as { preview?: WidgetNode | null } | undefined;
    return answer?.preview ?? null;
  }

  /** `chatkit-link://name?key=value` is an event of the page. */
  openDeepLink(href: string): void {
    const url = new URL(href);
    const name = decodeURIComponent(`${url.host}${url.pathname}`.replace(/^\/+|\/+$/g, ''));
    this.emit('chatkit.deeplink', { name, data: Object.fromEntries(url.searchParams) });
  }
}

/** The page may leave out the data of a tag, which the server requires. */
function withData(part: UserMessageContent | { type: 'input_tag'; id: string; text: string; data?: Record<string, unknown> }): UserMessageContent {
  return part.type === 'input_tag' ? { ...part, data: part.data ?? {} } : part;
}

export const ClientContext = createContext<ChatClient | null>(null);

export function useClient(): ChatClient {
  const client = useContext(ClientContext);
  if (!client) throw new Error('no client');
  return client;
}
