import { EmptyCircle } from '@openai/apps-sdk-ui/components/Icon';
import type { ReactNode } from 'react';
import type { IconProps } from './Icon';

export default function NamedIcon({ className }: IconProps): ReactNode {
  return <EmptyCircle aria-hidden="true" width="1em" height="1em" className={className} />;
}
