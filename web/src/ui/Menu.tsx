/** A button that opens a menu. Arrows move, Escape and Tab close, focus returns to the button. */
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';

export interface MenuEntry {
  key: string;
  label: string;
  description?: string;
  icon?: ReactNode;
  checked?: boolean;
  danger?: boolean;
  onSelect(): void;
}

interface MenuProps {
  label: string;
  entries: readonly MenuEntry[];
  /** The content of the button. */
  children: ReactNode;
  className?: string;
  disabled?: boolean;
  /** Where the menu opens. */
  side?: 'above' | 'below';
  align?: 'start' | 'end';
}

export function Menu({ label, entries, children, className = 'ck-icon-button', disabled, side = 'below', align = 'start' }: MenuProps): ReactNode {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    const items = root.current?.querySelectorAll<HTMLElement>('[role^=menuitem]');
    (root.current?.querySelector<HTMLElement>('[aria-checked=true]') ?? items?.[0])?.focus();
    const outside = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    const left = (): void => setOpen(false);
    document.addEventListener('pointerdown', outside);
    // A click into the page around the frame.
    addEventListener('blur', left);
    return () => {
      document.removeEventListener('pointerdown', outside);
      removeEventListener('blur', left);
    };
  }, [open]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (!open) return;
    const items = [...(root.current?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])];
    const index = items.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[(to + items.length) % items.length]?.focus();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === 'Tab') {
      setOpen(false);
    }
  };

  return (
    <div className="ck-menu-root" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        disabled={disabled}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => {
          if (!open && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
            event.preventDefault();
            setOpen(true);
          }
        }}
      >
        {children}
      </button>
      {open && (
        <div role="menu" id={id} aria-label={label} className="ck-menu" data-side={side} data-align={align}>
          {entries.map((entry) => (
            <button
              key={entry.key}
              type="button"
              role={entry.checked === undefined ? 'menuitem' : 'menuitemradio'}
              aria-checked={entry.checked}
              tabIndex={-1}
              className="ck-menu-item"
              data-danger={entry.danger || undefined}
              onClick={() => {
                close();
                entry.onSelect();
              }}
            >
              {entry.icon}
              <span className="ck-menu-text">
                <span>{entry.label}</span>
                {entry.description && <small>{entry.description}</small>}
              </span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
