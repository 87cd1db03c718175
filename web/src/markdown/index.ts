/** Markdown of answers and notices, loaded after the first paint; until then its source is shown. */
import { lazyPart } from '../lazyPart';
import type { Annotation } from '../protocol/types';
import type { ReactNode } from 'react';

export interface MarkdownProps {
  source: string;
  /** The text still grows: the last block may be incomplete (an open fence, half of a link or a table). */
  streaming?: boolean;
  /** References of the text, shown where `index` says (characters of `source`), or at its end. */
  annotations?: readonly Annotation[];
  /** Draws the references that stand at one place. */
  renderAnnotations?: (group: readonly Annotation[]) => ReactNode;
  /** Hosts from which images may be loaded (`Thread.allowed_image_domains`); null or absent: all https. */
  imageHosts?: readonly string[] | null;
}

export const [Markdown, loadMarkdown] = lazyPart<MarkdownProps>(() => import('./Markdown'));
