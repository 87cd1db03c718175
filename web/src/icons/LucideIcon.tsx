import { EmptyCircle } from '@openai/apps-sdk-ui/components/Icon';
import { use, type ReactNode } from 'react';
import { LETTERS } from 'virtual:lucide';
import type { IconProps } from './Icon';

const loads = new Map<string, Promise<Record<string, string>>>();

/** The drawings of a first letter; none of those without, and while the server can't be reached. */
function drawingsOf(letter: string): Promise<Record<string, string>> {
  let load = loads.get(letter);
  if (!load) {
    load = Object.hasOwn(LETTERS, letter) ? LETTERS[letter]!().then((chunk) => chunk.default, () => ({})) : Promise.resolve({});
    loads.set(letter, load);
  }
  return load;
}

/** An icon of Lucide, with strokes as wide as those of ChatKit's. A name without a drawing is an empty circle. */
export default function LucideIcon({ name, className }: IconProps): ReactNode {
  const drawings = use(drawingsOf(name.charAt(0)));
  if (!Object.hasOwn(drawings, name)) return <EmptyCircle aria-hidden="true" width="1em" height="1em" className={className} />;
  return (
    <svg
      aria-hidden="true"
      width="1em"
      height="1em"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      className={className}
    >
      <path d={drawings[name]} />
    </svg>
  );
}
