/** A card beside what the pointer or the focus is on. It stays while either is on it. */
import { useCallback, useEffect, useId, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { createPortal } from 'react-dom';

const OPEN_DELAY = 150;
const CLOSE_DELAY = 200;
const MARGIN = 8;

interface HoverCardProps {
  /** Gets what makes an element the anchor. */
  children: (anchor: { onPointerEnter(): void; onPointerLeave(): void; onFocus(): void; onBlur(): void; ref(element: HTMLElement | null): void; 'aria-describedby'?: string }) => ReactNode;
  card: () => ReactNode;
  label: string;
}

export function HoverCard({ children, card, label }: HoverCardProps): ReactNode {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLElement>(null);
  const timer = useRef(0);
  const id = useId();
  const plan = useCallback((next: boolean, delay: number) => {
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setOpen(next), delay);
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (!open) return;
    const escape = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') setOpen(false);
    };
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  }, [open]);
  return (
    <>
      {children({
        onPointerEnter: () => plan(true, OPEN_DELAY),
        onPointerLeave: () => plan(false, CLOSE_DELAY),
        onFocus: () => plan(true, 0),
        onBlur: () => plan(false, CLOSE_DELAY),
        ref: (element) => void (anchor.current = element),
        'aria-describedby': open ? id : undefined,
      })}
      {open &&
        createPortal(
          <Card id={id} anchor={anchor.current} label={label} onEnter={() => plan(true, 0)} onLeave={() => plan(false, CLOSE_DELAY)}>
            {card()}
          </Card>,
          document.body,
        )}
    </>
  );
}

interface CardProps {
  id: string;
  anchor: HTMLElement | null;
  label: string;
  onEnter(): void;
  onLeave(): void;
  children: ReactNode;
}

function Card({ id, anchor, label, onEnter, onLeave, children }: CardProps): ReactNode {
  const card = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = card.current;
    if (!element || !anchor) return;
    const place = (): void => {
      const around = anchor.getBoundingClientRect();
      const { width, height } = element.getBoundingClientRect();
      const above = around.top - height - MARGIN;
      const top = around.bottom + height + MARGIN > innerHeight && above > 0 ? above : around.bottom + MARGIN;
      const left = Math.min(Math.max(around.left, MARGIN), Math.max(innerWidth - width - MARGIN, MARGIN));
      element.style.top = `${top}px`;
      element.style.left = `${left}px`;
    };
    place();
    // A preview arrives later.
    const observer = new ResizeObserver(place);
    observer.observe(element);
    return () => observer.disconnect();
  }, [anchor]);
  return (
    <div ref={card} id={id} role="tooltip" aria-label={label} className="ck-card-popover" onPointerEnter={onEnter} onPointerLeave={onLeave} onFocus={onEnter} onBlur={onLeave}>
      {children}
    </div>
  );
}
