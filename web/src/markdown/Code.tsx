/** A block of code with its language and a button that copies it. */
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';

const COPIED_MS = 2000;

/** Put text on the clipboard; where the page does not allow it, select it for the user's own copy. */
const copy = async (source: string, element: HTMLElement | null): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(source);
    return true;
  } catch {
    if (element) getSelection()?.selectAllChildren(element);
    return false;
  }
};

export function Code({ source, language }: { source: string; language: string }): ReactNode {
  const { t } = useLanguage();
  const code = useRef<HTMLElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <figure className="ck-code" dir="ltr">
      <figcaption>
        <span>{language}</span>
        <button type="button" onClick={() => void copy(source, code.current).then(setCopied)}>
          <Icon name={copied ? 'check' : 'copy'} />
          <span aria-live="polite">{t(copied ? 'copied' : 'copy')}</span>
        </button>
      </figcaption>
      <pre tabIndex={0}>
        <code ref={code}>{source}</code>
      </pre>
    </figure>
  );
}
