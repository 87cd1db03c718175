/** The page around the client: its options, its functions, its network, and the events that it listens to. */
import type { ChatKitEvents, ChatKitOptions } from '@openai/chatkit';

/** The options as data: functions are called by their path (`Host.call`). */
export type Options = ChatKitOptions;

/** The functions that options may hold, by their paths. */
export const FUNCTION_PATHS = [
  'api.fetch',
  'api.getClientSecret',
  'onClientTool',
  'header.leftAction.onClick',
  'header.rightAction.onClick',
  'widgets.onAction',
  'entities.onTagSearch',
  'entities.onClick',
  'entities.onRequestPreview',
  'commands.onSearch',
  'commands.onSelect',
] as const;
export type FunctionPath = (typeof FUNCTION_PATHS)[number];

export type EventName = keyof ChatKitEvents;
export type EventDetail<K extends EventName> = ChatKitEvents[K] extends CustomEvent<infer D> ? D : never;

/** The methods of the element that the client carries out. */
export const METHODS = [
  'focusComposer',
  'setThreadId',
  'sendCustomAction',
  'sendUserMessage',
  'setComposerValue',
  'showHistory',
  'hideHistory',
  'fetchUpdates',
] as const;
export type Method = (typeof METHODS)[number];
export type Methods = Record<Method, (...args: never[]) => Promise<void>>;

export interface Host {
  /** Whether the newest options have a function at the path. */
  has(path: FunctionPath): boolean;
  /** Call a function of the newest options. Rejects with what it throws. */
  call(path: FunctionPath, ...args: unknown[]): Promise<unknown>;
  /** The page's fetch, or `api.fetch`. */
  fetch(url: string, init?: HostRequest): Promise<Response>;
  emit<K extends EventName>(name: K, ...detail: EventDetail<K> extends void ? [] : [EventDetail<K>]): void;
}

/** What can be sent over a port: no Headers, no FormData, no AbortSignal of the other side. */
export interface HostRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Blob | FormData;
  signal?: AbortSignal;
  /** Told while the body is sent, 0 to 1. */
  onProgress?: (share: number) => void;
}
