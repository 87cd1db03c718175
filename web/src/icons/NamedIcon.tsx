import { Suspense, type ReactNode } from 'react';
import { lazyPart } from '../lazyPart';
import { CHATKIT } from './drawings';
import type { IconProps } from './Icon';

const [LucideIcon] = lazyPart<IconProps>(() => import('./LucideIcon'));
const PREFIX = /^(?:lucide|vendor):/;

/** A name without a drawing is an empty circle. */
export default function NamedIcon({ name, className }: IconProps): ReactNode {
  const bare = name.replace(PREFIX, '');
  const Drawing = Object.hasOwn(CHATKIT, bare) ? CHATKIT[bare] : undefined;
  if (Drawing) return <Drawing aria-hidden="true" width="1em" height="1em" className={className} />;
  return (
    <Suspense fallback={<svg aria-hidden="true" width="1em" height="1em" className={className} />}>
      <LucideIcon name={bare} className={className} />
    </Suspense>
  );
}
