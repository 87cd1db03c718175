/** The items of a thread, of which only those near the view are in the document. */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { Virtualizer } from 'virtua';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { ArrowUp } from '../icons/essential';
import { isVisible, Item } from '../items/Item';
import type { ThreadSession } from '../protocol/session';
import type { OutboxEntry, SessionState } from '../protocol/sessionState';
import type { ThreadItem } from '../protocol/types';
import { useStore } from '../store';
import { Boundary } from '../ui/Boundary';
import { AnswerActions } from './AnswerActions';
import { ThreadStatus, UnsentStatus } from './ThreadStatus';

/** Within this distance of the end, in px, the view follows what is written. */
const NEAR_END = 80;
/** How far from the beginning older items are loaded, in px. */
const NEAR_START = 600;

interface Row {
  item: ThreadItem;
  /** The items of the answer that ends here. */
  answer: readonly ThreadItem[] | null;
  /** The item is a message that could not be sent. */
  unsent?: OutboxEntry;
}

function rowsOf({ items, outbox, phase }: SessionState): Row[] {
  const rows: Row[] = [];
  let answer: ThreadItem[] = [];
  const end = (): void => {
    const last = rows.at(-1);
    if (last && answer.length) last.answer = answer;
    answer = [];
  };
  for (const item of items) {
    if (!isVisible(item)) continue;
    if (item.type === 'user_message') end();
    else answer.push(item);
    rows.push({ item, answer: null });
  }
  if (phase === 'idle' || outbox.some(({ failure }) => !failure)) end();
  for (const entry of outbox) rows.push({ item: entry.item, answer: null, ...(entry.failure && { unsent: entry }) });
  return rows;
}

export default function ThreadView({ session }: { session: ThreadSession }): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const { thread: threadOption } = useStore(client.options);
  const state = useStore(session);
  const { items, outbox, phase, open, prepended, olderCursor, loadingOlder } = state;
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const rows = useMemo(() => rowsOf(state), [items, outbox, phase]);
  const sending = outbox.findLast(({ failure }) => !failure)?.item.id;
  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const follows = useRef(true);
  /** Below the last answer, so that its question can be at the top of the view. */
  const room = useRef<HTMLDivElement>(null);
  /** The question stays at the top of the view, until its reader moves. */
  const isHeld = useRef(false);
  const release = (): void => void (isHeld.current = false);

  const toEnd = useCallback(() => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, []);

  // `shift` exactly in the render in which older items came in front.
  const prependedBefore = useRef(prepended);
  const shift = prepended > prependedBefore.current;
  useEffect(() => {
    prependedBefore.current = prepended;
  }, [prepended]);

  // A thread opens at its end; heights are measured after the first paint.
  useLayoutEffect(() => {
    follows.current = true;
    toEnd();
  }, [session, state.loading, toEnd]);

  const autoScroll = threadOption?.autoScroll === true;
  const question = rows.findLastIndex(({ item, unsent }) => item.type === 'user_message' && !unsent) + 1;
  const hold = useCallback(() => {
    const element = scroller.current;
    const row = element?.querySelector(`[aria-posinset="${question}"]`);
    const [below, content] = [room.current, element?.firstElementChild];
    if (!element || !row || !below || !content) return;
    // Measured without rounding, and set only when it is off by a pixel: a height that depended on itself would never rest.
    const [bottom, now] = [content.getBoundingClientRect().bottom, below.getBoundingClientRect().height];
    const height = Math.max(element.clientHeight - (bottom - now - row.getBoundingClientRect().top), 0);
    if (Math.abs(height - now) >= 1) below.style.height = `${height}px`;
    const offset = row.getBoundingClientRect().top - element.getBoundingClientRect().top;
    if (Math.abs(offset) >= 1) element.scrollTop += offset;
  }, [question]);

  // A message of one's own is always shown: with what follows it, or at the top with room for its answer.
  useLayoutEffect(() => {
    if (!sending) return;
    isHeld.current = !autoScroll;
    follows.current = true;
    if (autoScroll) room.current?.style.removeProperty('height');
    toEnd();
  }, [sending, autoScroll, toEnd]);
  const isUnsent = phase === 'idle' && !!outbox.at(-1)?.failure;
  useLayoutEffect(() => {
    if (isUnsent) isHeld.current = false;
  }, [isUnsent]);
  useLayoutEffect(() => {
    if (isHeld.current) hold();
  }, [rows, hold]);

  const mayFollow = autoScroll || phase === 'idle' || phase === 'starting';
  const before = useRef({ top: 0, height: 0 });
  const measure = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const { scrollTop: top, scrollHeight: height } = element;
    const isNear = height - top - element.clientHeight < NEAR_END;
    if (isHeld.current) follows.current = false;
    else if (isNear) follows.current = true;
    // Only a reader moves up; what grows below the view moves nothing.
    else if (top < before.current.top - 4 && height >= before.current.height) follows.current = false;
    before.current = { top, height };
    setAtEnd(isNear || (follows.current && mayFollow));
  }, [mayFollow]);
  const onResize = useCallback(() => {
    if (isHeld.current) hold();
    else if (follows.current && mayFollow) toEnd();
    measure();
  }, [mayFollow, hold, toEnd, measure]);
  useEffect(() => {
    const content = scroller.current?.firstElementChild;
    if (!content) return;
    const observer = new ResizeObserver(onResize);
    observer.observe(content);
    observer.observe(scroller.current as Element);
    return () => observer.disconnect();
  }, [onResize]);

  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    measure();
    if (element.scrollTop < NEAR_START && olderCursor !== null && !loadingOlder && !state.loading) {
      session.loadOlder().catch((error: Error) => client.onError(error));
    }
  };

  return (
    <div className="ck-thread-view">
      <div className="ck-scroller" ref={scroller} onScroll={onScroll} onWheel={release} onTouchMove={release} onPointerDown={release} onKeyDown={release} tabIndex={0} role="region" aria-label={state.thread?.title ?? t('untitled')}>
        <div className="ck-thread-content">
          {loadingOlder && <p className="ck-older ck-quiet ck-shimmer">{t('loading')}</p>}
          <div role="feed" aria-busy={phase !== 'idle'} aria-label={t('messages')}>
            <Virtualizer scrollRef={scroller} shift={shift} bufferSize={600}>
              {rows.map(({ item, answer, unsent }, index) => (
                <article key={session.keyOf(item)} className="ck-item" data-type={item.type} aria-posinset={index + 1} aria-setsize={olderCursor === null ? rows.length : -1}>
                  <Boundary fallback={<p className="ck-quiet">{t('brokenItem')}</p>} onError={(error) => client.onError(error)}>
                    <Item item={item} session={session} isOpen={open.has(item.id)} />
                  </Boundary>
                  {answer && <AnswerActions session={session} items={answer} />}
                  {unsent && <UnsentStatus session={session} entry={unsent} />}
                </article>
              ))}
            </Virtualizer>
          </div>
          <ThreadStatus session={session} />
          <div ref={room} />
        </div>
      </div>
      {!atEnd && (
        <button type="button" className="ck-to-end" aria-label={t('toEnd')} title={t('toEnd')} onClick={() => (release(), toEnd())}>
          <ArrowUp />
        </button>
      )}
    </div>
  );
}
