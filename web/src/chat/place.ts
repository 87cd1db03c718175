/** Where the reader of a thread is, and what keeps them there while the thread changes around them. */
import type { VirtualizerHandle } from 'virtua';

/** Within this distance of the end, in px, the view shows what comes there. */
const NEAR_END = 80;
/** How much of the view a question takes at the most while it is held: its answer is to be seen. */
const QUESTION_SHARE = 0.4;
/** A thread is open once its height has been the same for so many frames, and at the latest after so many. */
const CALM_FRAMES = 3;
const MOST_FRAMES = 60;

/** What is shown of a thread. */
export interface Shown {
  /** The keys of the rows. */
  keys: readonly string[];
  /** The row of the last question; -1: there is none. */
  question: number;
  /** How often the user has asked something, or has asked it again. */
  asked: number;
  isLoading: boolean;
  isIdle: boolean;
  /** The last message could not be sent. */
  isUnsent: boolean;
  /** The end of the view follows the end of the thread. */
  follows: boolean;
  /** A question goes to the top of the view, with room for its answer. */
  holds: boolean;
}

export interface Parts {
  scroller: HTMLElement;
  feed: HTMLElement;
  /** Below the last answer, so that its question can be at the top of the view. */
  room: HTMLElement;
  list: VirtualizerHandle;
}

/** The top of the view is `below` px under that of the row, which was `size` px high in a view of this width. */
interface InRow {
  key: string;
  index: number;
  below: number;
  size: number;
  width: number;
}

/** The end of the thread; its last question, until the reader moves; or where they have moved to. */
type Place = 'end' | 'question' | InRow;

export class ReadersPlace {
  #parts: Parts | null = null;
  #shown: Shown | null = null;
  #place: Place = 'end';
  #hasRoom = false;
  /** The heights of rows are not known before they are painted; meanwhile the view stays at the end. */
  #isOpening = true;
  #frame = 0;
  /** An answer that nobody has asked for by a message begins at the end, where the reader is. */
  #awaitsAnswer = false;
  /** Where the view is unless its reader moves it. */
  #top = 0;
  #isNear = true;

  /** `onAtEnd` is told whether the view is at the end of the thread. */
  constructor(private readonly onAtEnd: (isAtEnd: boolean) => void) {}

  /** Keep the place in these elements; returns what ends it. */
  attach(parts: Parts): () => void {
    this.#parts = parts;
    const observer = new ResizeObserver(this.restore);
    observer.observe(parts.scroller);
    observer.observe(parts.scroller.firstElementChild as Element);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#parts = null;
    };
  }

  /** What is shown has changed, and is in the document. */
  update(shown: Shown): void {
    const before = this.#shown;
    this.#shown = shown;
    const wasLoading = before?.isLoading ?? true;
    if (wasLoading) this.#goToEnd();
    if (before?.isIdle && !shown.isIdle) this.#awaitsAnswer = this.#isNear;
    const hasMore = before !== null && shown.keys.at(-1) !== before.keys.at(-1);
    // A thread that is shown again while it answers shows what it answers.
    if (shown.asked !== (before?.asked ?? (shown.isIdle ? shown.asked : 0))) this.#showQuestion(shown.holds);
    else if (shown.isUnsent && !before?.isUnsent) this.#showQuestion(false);
    else if (hasMore && this.#isNear && this.#place !== 'question' && (shown.follows || this.#awaitsAnswer)) this.#goToEnd();
    if (hasMore) this.#awaitsAnswer = false;
    this.restore();
  }

  /** Set the view to its place: heights have changed. */
  restore = (): void => {
    const [parts, shown] = [this.#parts, this.#shown];
    if (!parts || !shown) return;
    const { scroller } = parts;
    if (this.#hasRoom) this.#fitRoom(parts, shown);
    if (this.#place === 'end' && !shown.follows && !this.#isOpening) this.#place = this.#atTop(parts, shown);
    const top = this.#topOf(this.#place, parts, shown);
    if (top !== null && Math.abs(top - scroller.scrollTop) >= 1) scroller.scrollTop = top;
    this.#note(parts);
  };

  /** The view has been scrolled, perhaps by what is here. */
  onScroll = (): void => {
    const [parts, shown] = [this.#parts, this.#shown];
    if (!parts || !shown) return;
    const moved = parts.scroller.scrollTop - this.#top;
    if (Math.abs(moved) >= 1) {
      this.#isOpening = false;
      this.#place = moved > 0 && shown.follows && isNearEnd(parts) ? 'end' : this.#atTop(parts, shown);
    }
    this.#note(parts);
  };

  /** The reader does something with what they see: it stays under their pointer, though it may move the end. */
  touch = (): void => {
    const [parts, shown] = [this.#parts, this.#shown];
    if (!parts || !shown) return;
    this.#isOpening = false;
    if (this.#place === 'question' || shown.isIdle) this.#place = this.#atTop(parts, shown);
  };

  toEnd = (): void => {
    this.#goToEnd();
    this.restore();
  };

  #goToEnd(): void {
    this.#place = 'end';
    this.#isOpening = true;
    cancelAnimationFrame(this.#frame);
    let [height, calm, frames] = [-1, 0, 0];
    const look = (): void => {
      const now = this.#parts?.scroller.scrollHeight ?? -1;
      calm = now === height && !this.#shown?.isLoading ? calm + 1 : 0;
      height = now;
      if (calm === CALM_FRAMES || ++frames === MOST_FRAMES) this.#isOpening = false;
      else this.#frame = requestAnimationFrame(look);
    };
    this.#frame = requestAnimationFrame(look);
  }

  /** `isHeld`: at the top of the view; otherwise at the end. */
  #showQuestion(isHeld: boolean): void {
    this.#hasRoom = isHeld;
    this.#awaitsAnswer = false;
    if (isHeld) {
      this.#place = 'question';
      return;
    }
    this.#parts?.room.style.removeProperty('height');
    this.#goToEnd();
  }

  #fitRoom(parts: Parts, shown: Shown): void {
    const { scroller, room } = parts;
    const top = this.#topOfQuestion(parts, shown);
    if (top === null) return;
    // Measured without rounding, and set only when it is off by a pixel: a height that depended on itself would never rest.
    const content = (scroller.firstElementChild as Element).getBoundingClientRect();
    const [end, now] = [toContent(content.bottom, scroller), room.getBoundingClientRect().height];
    const height = Math.max(scroller.clientHeight - (end - now - top), 0);
    if (Math.abs(height - now) >= 1) room.style.height = `${height}px`;
  }

  #topOf(place: Place, parts: Parts, shown: Shown): number | null {
    const { scroller, list } = parts;
    if (place === 'end') return scroller.scrollHeight - scroller.clientHeight;
    if (place === 'question') return this.#topOfQuestion(parts, shown);
    const { key, below, size, width } = place;
    const index = shown.keys[place.index] === key ? place.index : shown.keys.indexOf(key);
    if (index < 0) return null;
    place.index = index;
    // In another width the lines of a text break elsewhere.
    const grown = width === scroller.clientWidth || size === 0 ? 1 : list.getItemSize(index) / size;
    return startOf(parts) + list.getItemOffset(index) + below * grown;
  }

  /** Where the view is at the last question; rows that are far from the view are not in the document. */
  #topOfQuestion(parts: Parts, { question }: Shown): number | null {
    const { scroller, list } = parts;
    if (question < 0) return null;
    const cut = Math.max(list.getItemSize(question) - scroller.clientHeight * QUESTION_SHARE, 0);
    return startOf(parts) + list.getItemOffset(question) + cut;
  }

  /** The row at the top of the view. */
  #atTop(parts: Parts, { keys }: Shown): Place {
    const { scroller, list } = parts;
    const top = scroller.scrollTop - startOf(parts);
    const index = Math.min(list.findItemIndex(top), keys.length - 1);
    const key = keys[index];
    if (key === undefined) return 'end';
    const [below, size] = [top - list.getItemOffset(index), list.getItemSize(index)];
    return { key, index, below, size, width: scroller.clientWidth };
  }

  #note(parts: Parts): void {
    this.#top = parts.scroller.scrollTop;
    this.#isNear = isNearEnd(parts);
    this.onAtEnd(this.#isNear || (this.#place === 'end' && this.#shown?.follows === true));
  }
}

function isNearEnd({ scroller }: Parts): boolean {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
}

/** Return where the first row is, in px from the beginning of what is scrolled. */
function startOf({ scroller, feed }: Parts): number {
  return toContent(feed.getBoundingClientRect().top, scroller);
}

/** Return where a line of the window is in what is scrolled, in px. */
function toContent(y: number, scroller: HTMLElement): number {
  return y - scroller.getBoundingClientRect().top + scroller.scrollTop;
}
