/** A function, method or event that a later `@openai/chatkit` adds or removes fails to compile here. */
import type { ChatKitEvents, ChatKitOptions, OpenAIChatKit } from '@openai/chatkit';
import type { Options } from '../src/host/host';
import type { EVENTS, FUNCTION_PATHS, METHODS } from '../src/host/surface';

/** The paths of the functions in T; into arrays and records of data there is no way. */
type Paths<T, P extends string = ''> = T extends (...args: never[]) => unknown
  ? P
  : T extends readonly unknown[]
    ? never
    : T extends object
      ? { [K in keyof T & string]: Paths<NonNullable<T[K]>, P extends '' ? K : `${P}.${K}`> }[keyof T & string]
      : never;

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : { missing: Exclude<B, A> }) : { unknown: Exclude<A, B> };
type Listed<T extends readonly unknown[]> = T[number];

/** The option of ours that the installed types do not have; what they have is not narrowed by it. */
export const ours = {
  api: { url: '/chatkit' },
  widgets: { components: { 'acme-map': { src: '/map.html', height: 200 } }, onAction: async () => {} },
} satisfies Options;
export const theirs: Options['widgets'] = {} as ChatKitOptions['widgets'];

export const functions: Same<Listed<typeof FUNCTION_PATHS>, Paths<Required<ChatKitOptions>>> = true;
export const methods: Same<Listed<typeof METHODS> | 'setOptions', Exclude<keyof OpenAIChatKit, keyof HTMLElement>> = true;
export const events: Same<Listed<typeof EVENTS>, keyof ChatKitEvents> = true;
