/** The page around the client: its options, its functions, its network, and the events that it listens to. */
import type { ChatKitEvents, ChatKitOptions, OpenAIChatKit } from '@openai/chatkit';
import type { PageComponentSource } from '../widgets/PageComponent';
import type { FunctionPath, Method } from './surface';

/** The options as data: their functions are called by their paths (`Host.call`). */
export type Options = Omit<ChatKitOptions, 'api' | 'widgets'> & {
  /** `components` is this client's own. */
  widgets?: ChatKitOptions['widgets'] & { components?: Record<string, PageComponentSource> };
  api: { url: string; domainKey?: string; uploadStrategy?: { type: 'two_phase' } | { type: 'direct'; uploadUrl: string } };
};

export type EventName = keyof ChatKitEvents;
export type EventDetail<K extends EventName> = ChatKitEvents[K] extends CustomEvent<infer D> ? D : never;

/** The methods of the element that the client carries out. */
export type Methods = { [M in Method]: OpenAIChatKit[M] };

export interface Host {
  /** Whether the newest options have a function at the path. */
  has(path: FunctionPath): boolean;
  /** Call a function of the newest options. Rejects with what it throws. */
  call(path: FunctionPath, ...args: unknown[]): Promise<unknown>;
  /** `api.fetch`, or the page's own. */
  fetch(url: string, request?: HostRequest): Promise<Response>;
  emit<K extends EventName>(name: K, ...detail: EventDetail<K> extends void ? [] : [EventDetail<K>]): void;
}

/** What can be sent to the page. */
export interface HostRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Blob;
  form?: [name: string, value: string | File][];
  signal?: AbortSignal;
  /** Not by `api.fetch`: the address carries its own permission. */
  plain?: boolean;
  /** Called while the body is sent, with a share from 0 to 1. */
  onProgress?: (share: number) => void;
}
