/** Icons by the names of ChatKit, loaded after the first paint; the few of the first view are in `essential.tsx`. */
import { Suspense, type ComponentType, type ReactNode, type SVGProps } from 'react';
import { lazyPart } from '../lazyPart';

export type Drawing = ComponentType<SVGProps<SVGSVGElement>>;

export interface IconProps {
  /** A name of ChatKit (`book-open`), of Lucide (`lucide:anchor`), or of a vendor (`vendor:github`). */
  name: string;
  className?: string;
}

const [NamedIcon, loadIcons] = lazyPart<IconProps>(() => import('./NamedIcon'));
export { loadIcons };

/** As large as `1em` and of the text's color, unless CSS says otherwise; hidden from screen readers. */
export function Icon({ name, className }: IconProps): ReactNode {
  const box = <svg aria-hidden="true" width="1em" height="1em" className={className} />;
  return (
    <Suspense fallback={box}>
      <NamedIcon name={name} className={className} />
    </Suspense>
  );
}
