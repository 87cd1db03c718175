import { Suspense, type ReactNode } from 'react';
import { lazyPart } from '../lazyPart';
import { CHATKIT } from './drawings';
import type { IconProps } from './Icon';

const [LucideIcon] = lazyPart<IconProps>(() => import('./LucideIcon'));
const PREFIX = /^(?:lucide|vendor):/;

/** ChatKit's icon of a bare name; of `lucide:` names, and of names that ChatKit does not have, Lucide's. */
export default function NamedIcon({ name, className }: IconProps): ReactNode {
  const Drawing = Object.hasOwn(CHATKIT, name) ? CHATKIT[name] : undefined;
  if (Drawing) return <Drawing aria-hidden="true" width="1em" height="1em" className={className} />;
  return (
    <Suspense fallback={<svg aria-hidden="true" width="1em" height="1em" className={className} />}>
      <LucideIcon name={name.replace(PREFIX, '')} className={className} />
    </Suspense>
  );
}
