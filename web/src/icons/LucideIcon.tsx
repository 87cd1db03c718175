import { EmptyCircle } from '@openai/apps-sdk-ui/components/Icon';
import type { ReactNode } from 'react';
import type { IconProps } from './Icon';
import { LUCIDE } from './lucide';

export default function LucideIcon({ name, className }: IconProps): ReactNode {
  const Drawing = (Object.hasOwn(LUCIDE, name) && LUCIDE[name]) || EmptyCircle;
  return <Drawing aria-hidden="true" width="1em" height="1em" className={className} />;
}
