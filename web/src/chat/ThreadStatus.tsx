/** Below the last item: what is being done, notices, and failures with what their user can do. */
import { Suspense, type ReactNode } from 'react';
import { useClient, type ChatClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import type { TextKey } from '../i18n/en';
import { Icon } from '../icons/Icon';
import { X } from '../icons/essential';
import { Markdown } from '../markdown';
import type { Failure } from '../protocol/failure';
import type { ThreadSession } from '../protocol/session';
import type { OutboxEntry, SessionState } from '../protocol/sessionState';
import type { NoticeEvent } from '../protocol/types';
import { useStore } from '../store';
import { IconButton } from '../ui/IconButton';

export function ThreadStatus({ session }: { session: ThreadSession }): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const state = useStore(session);
  const { phase, progress, notices, failure, loading } = state;
  return (
    <>
      {loading && <p className="ck-progress ck-shimmer">{t('loading')}</p>}
      {phase === 'reconnecting' ? (
        <p className="ck-progress">
          <span className="ck-spinner" />
          <span>{t('reconnecting')}</span>
          <button type="button" className="ck-button" onClick={() => session.reconnectNow()}>{t('reconnectNow')}</button>
        </p>
      ) : (
        isWaiting(state) && (
          <p className="ck-progress" role="presentation">
            {progress?.icon && <Icon name={progress.icon} />}
            {progress ? <span className="ck-shimmer" dir="auto">{progress.text}</span> : <span className="ck-dots" role="img" aria-label={t('thinking')}><i /><i /><i /></span>}
          </p>
        )
      )}
      {notices.map((notice, index) => (
        <NoticeView key={index} notice={notice} session={session} />
      ))}
      {failure && <FailureView failure={failure} ways={waysOut(client, session, failure)} />}
    </>
  );
}

/** Something is being done, and nothing that is written shows it. */
function isWaiting({ phase, progress, open, items }: SessionState): boolean {
  if (phase === 'idle') return false;
  if (progress) return true;
  const last = items.at(-1);
  if (!last || !open.has(last.id)) return true;
  return last.type === 'assistant_message' && !last.content.some(({ text }) => text);
}

function NoticeView({ notice, session }: { notice: NoticeEvent; session: ThreadSession }): ReactNode {
  const { t } = useLanguage();
  return (
    <div className="ck-notice" data-level={notice.level} role={notice.level === 'info' ? 'status' : 'alert'}>
      <div className="ck-grow">
        {notice.title && <strong dir="auto">{notice.title}</strong>}
        <Suspense fallback={<p dir="auto">{notice.message}</p>}>
          <Markdown source={notice.message} />
        </Suspense>
      </div>
      <IconButton label={t('dismiss')} onClick={() => session.dismissNotice(notice)}>
        <X />
      </IconButton>
    </div>
  );
}

const TEXTS: Record<Failure['kind'], TextKey> = {
  offline: 'offline',
  lost: 'lost',
  unauthorized: 'unauthorized',
  busy: 'busy',
  missing: 'missing',
  too_large: 'tooLarge',
  stopped: 'notSent',
  failed: 'failed',
};

interface Choice {
  label: TextKey;
  act(): Promise<void>;
}

function waysOut(client: ChatClient, session: ThreadSession, { wayOut, kind }: Failure): Choice[] {
  const ways: Choice[] = [];
  if (wayOut === 'retry') ways.push({ label: 'tryAgain', act: () => session.retry() });
  if (wayOut === 'reload') ways.push({ label: 'reload', act: () => (session.get().items.length ? session.refresh() : session.load()) });
  if (kind === 'missing') ways.push({ label: 'startNew', act: () => client.setThreadId(null) });
  return ways;
}

function FailureView({ failure, ways }: { failure: Failure; ways: readonly Choice[] }): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  return (
    <div className="ck-failure" role="alert">
      <span className="ck-grow" dir="auto">{failure.message ?? t(TEXTS[failure.kind])}</span>
      {ways.map(({ label, act }) => (
        <button key={label} type="button" className="ck-button" onClick={() => act().catch((error: Error) => client.onError(error))}>
          {t(label)}
        </button>
      ))}
    </div>
  );
}

/** Below a message that could not be sent: why, and what its user can do with it. */
export function UnsentStatus({ entry, session }: { entry: OutboxEntry; session: ThreadSession }): ReactNode {
  const client = useClient();
  const { failure } = entry;
  if (!failure) return null;
  const ways: Choice[] = [
    { label: 'edit', act: async () => client.editUnsent(session, entry) },
    { label: 'delete', act: async () => session.withdraw(entry) },
  ];
  if (failure.wayOut === 'resend') ways.unshift({ label: 'tryAgain', act: () => session.resend(entry) });
  return <FailureView failure={failure} ways={ways} />;
}
