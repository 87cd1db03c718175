/** Why a request or a turn failed, and what the user can do about it. */
import { RequestFailed } from './api';

/** What the user can do about a failure. */
export type WayOut = 'resend' | 'retry' | 'reload' | 'none';

export interface Failure {
  /** From the server; null: the interface says it, by `kind`. */
  message: string | null;
  kind: 'offline' | 'lost' | 'unauthorized' | 'busy' | 'missing' | 'too_large' | 'stopped' | 'failed';
  wayOut: WayOut;
}

export function failureOf(error: unknown, wayOut: WayOut): Failure {
  if (!(error instanceof RequestFailed)) return { message: null, kind: 'failed', wayOut };
  const message = error.message || null;
  switch (error.status) {
    case 0:
      return { message: null, kind: error.code === 'lost' ? 'lost' : 'offline', wayOut };
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
