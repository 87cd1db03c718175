/** Which files may be attached. */
import type { ComposerOption } from '@openai/chatkit';

type Limits = NonNullable<ComposerOption['attachments']>;

export type FileProblem =
  | { kind: 'too_large'; limit: number }
  | { kind: 'too_many'; limit: number }
  | { kind: 'wrong_type' }
  | { kind: 'failed'; message: string | null };

const MAX_SIZE = 100 * 1024 * 1024;
const MAX_COUNT = 10;

/** `count` files are attached already. */
export function problemOf(file: File, limits: Limits | undefined, count: number): FileProblem | null {
  const most = limits?.maxCount ?? MAX_COUNT;
  if (count >= most) return { kind: 'too_many', limit: most };
  if (!accepts(file, limits?.accept)) return { kind: 'wrong_type' };
  const limit = maxSizeOf(file.type, limits?.maxSize);
  return file.size > limit ? { kind: 'too_large', limit } : null;
}

function accepts(file: File, accept: Limits['accept']): boolean {
  if (!accept || !Object.keys(accept).length) return true;
  const name = file.name.toLowerCase();
  return Object.entries(accept).some(
    ([pattern, endings]) => matches(file.type, pattern) || endings.some((ending) => name.endsWith(ending.toLowerCase())),
  );
}

/** The most specific pattern counts. */
function maxSizeOf(type: string, maxSize: Limits['maxSize']): number {
  if (typeof maxSize !== 'object') return maxSize ?? MAX_SIZE;
  const fits = Object.keys(maxSize).filter((pattern) => matches(type, pattern));
  const best = fits.sort((a, b) => weight(b) - weight(a))[0];
  return (best === undefined ? undefined : maxSize[best]) ?? MAX_SIZE;
}

function weight(pattern: string): number {
  if (pattern === '' || pattern === '*' || pattern === '*/*') return 0;
  return pattern.endsWith('/*') ? 1 : 2;
}

function matches(type: string, pattern: string): boolean {
  const mime = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const wanted = pattern.toLowerCase();
  if (weight(wanted) === 0) return true;
  return wanted.endsWith('/*') ? mime.startsWith(wanted.slice(0, -1)) : mime === wanted;
}

/** The `accept` of a file input. */
export function acceptAttribute(accept: Limits['accept']): string | undefined {
  return accept ? Object.entries(accept).flat(2).join(',') : undefined;
}
