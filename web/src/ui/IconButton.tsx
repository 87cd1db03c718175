import type { ButtonHTMLAttributes, ReactNode } from 'react';

interface IconButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'aria-label' | 'title'> {
  label: string;
  children: ReactNode;
}

/** A button without a text: its label is read, and shown when the pointer rests on it. */
export function IconButton({ label, children, className = '', ...props }: IconButtonProps): ReactNode {
  return (
    <button type="button" aria-label={label} title={label} className={`ck-icon-button ${className}`} {...props}>
      {children}
    </button>
  );
}
