/** The items of a thread, of which only those near the view are in the document. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { Virtualizer, type VirtualizerHandle } from 'virtua';
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
import { ReadersPlace, type Parts } from './place';
import { QuoteButton } from './QuoteButton';
import { ThreadStatus, UnsentStatus } from './ThreadStatus';

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
  const { items, outbox, phase, open, asked, prepended, olderCursor, loadingOlder, loading } = state;
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const rows = useMemo(() => rowsOf(state), [items, outbox, phase]);
  const keys = useMemo(() => rows.map(({ item }) => session.keyOf(item)), [rows, session]);
  const scroller = useRef<HTMLDivElement>(null);
  const feed = useRef<HTMLDivElement>(null);
  const room = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const [atEnd, setAtEnd] = useState(true);
  const [place] = useState(() => new ReadersPlace(setAtEnd));

  // `shift` exactly in the render in which older items came in front.
  const prependedBefore = useRef(prepended);
  const shift = prepended > prependedBefore.current;
  useEffect(() => {
    prependedBefore.current = prepended;
  }, [prepended]);

  useLayoutEffect(
    () => place.attach({ scroller: scroller.current, feed: feed.current, room: room.current, list: list.current } as Parts),
    [place],
  );
  const autoScroll = threadOption?.autoScroll === true;
  const question = rows.findLastIndex(({ item, unsent }) => item.type === 'user_message' && !unsent);
  const isIdle = phase === 'idle' && outbox.every(({ failure }) => failure);
  const isUnsent = isIdle && outbox.length > 0;
  useLayoutEffect(
    () => place.update({ keys, question, asked, isLoading: loading, isIdle, isUnsent, follows: autoScroll || isIdle, holds: !autoScroll }),
    [place, keys, question, asked, loading, isIdle, isUnsent, autoScroll, state],
  );

  const loadOlder = (): void => {
    const isFar = (scroller.current?.scrollTop ?? 0) >= NEAR_START;
    if (isFar || olderCursor === null || loadingOlder || loading) return;
    session.loadOlder().catch((error: Error) => client.onError(error));
  };
  // Where most items are not shown, they do not fill the view, which nobody can scroll then.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  useEffect(loadOlder, [items, loading]);
  const onScroll = (): void => {
    place.onScroll();
    loadOlder();
  };

  return (
    <div className="ck-thread-view">
      <div className="ck-scroller" ref={scroller} onScroll={onScroll} onPointerDown={place.touch} onKeyDown={place.touch} onFocus={place.touch} tabIndex={0} role="region" aria-label={state.thread?.title ?? t('untitled')}>
        <div className="ck-thread-content">
          {loadingOlder && <p className="ck-older ck-quiet"><span className="ck-shimmer">{t('loading')}</span></p>}
          <div ref={feed} role="feed" aria-busy={!isIdle} aria-label={t('messages')}>
            <Virtualizer ref={list} scrollRef={scroller} shift={shift} bufferSize={600} onResize={place.restore}>
              {rows.map(({ item, answer, unsent }, index) => (
                <article key={keys[index]} className="ck-item" data-type={item.type} aria-posinset={index + 1} aria-setsize={olderCursor === null ? rows.length : -1}>
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
        <button type="button" className="ck-to-end" aria-label={t('toEnd')} title={t('toEnd')} onClick={place.toEnd}>
          <ArrowUp />
        </button>
      )}
      <QuoteButton />
    </div>
  );
}
