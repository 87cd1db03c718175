/** What the element and its frame send each other, over one MessagePort. */

/** The frame says it to its parent as long as it has no port. */
export const HELLO = 'chatkit:hello';

/**
 * `[id, name, args]` is a request; `[id, ok, value]` its answer, whose second part is a boolean;
 * `[0, name, args]` is a notification.
 */
export type Message = [id: number, name: string | boolean, value: unknown];

/** Errors as data: an Error loses its name in some browsers when it is cloned. */
export interface ErrorData {
  name: string;
  message: string;
}

/** A request that the page sends for the frame. `port` carries the answer: see `ResponseHead`. */
export interface FetchData {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string | Blob;
  /** Fields of a form, which is a body that can't be cloned. */
  form?: [name: string, value: string | File][];
  /** Whether to report how much has been sent: `{sent: share}`. */
  progress?: boolean;
  /** Not by `api.fetch`: the address carries its own permission. */
  plain?: boolean;
  port: MessagePort;
}

/** First on the port of a request; then `Uint8Array`s, and null at the end. An `ErrorData` at any time ends it. */
export interface ResponseHead {
  status: number;
  headers: [string, string][];
}

export interface OptionsData {
  options: unknown;
  /** The paths of the functions in the options, which are called by `call`. */
  functions: string[];
  /** The CSS variables that the page sets on the element. */
  variables: Record<string, string>;
  /** The thread to show first; absent: the frame shows one already. */
  thread?: string | null;
}
