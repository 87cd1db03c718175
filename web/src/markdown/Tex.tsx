/** A formula as MathML, by KaTeX; its source until that is loaded, and where it is not TeX. */
import { useEffect, useRef, useState, type ReactNode } from 'react';

export function Tex({ tex, display }: { tex: string; display: boolean }): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  const [drawn, setDrawn] = useState('');
  useEffect(() => {
    let current = true;
    void import('katex').then(
      ({ default: katex }) => {
        if (!current || !place.current) return;
        try {
          // MathML needs neither KaTeX's fonts nor its style sheet, and is made of elements, not of HTML.
          katex.render(tex, place.current, { output: 'mathml', displayMode: display, throwOnError: true, maxExpand: 200, maxSize: 20, strict: 'ignore' });
          setDrawn(tex);
        } catch {
          setDrawn('');
        }
      },
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [tex, display]);
  const shown = drawn === tex;
  return (
    <>
      <span ref={place} hidden={!shown} className={display ? 'ck-tex-block' : 'ck-tex'} />
      {shown ? null : <code>{tex}</code>}
    </>
  );
}
