/** Paths of lines and areas through the points of a series, by the curve types of ChatKit. */

export type Point = readonly [x: number, y: number];

const at = (points: readonly Point[], index: number): Point => points[Math.max(0, Math.min(points.length - 1, index))] as Point;
const show = (value: number): string => String(Math.round(value * 100) / 100);
const pair = ([x, y]: Point): string => `${show(x)} ${show(y)}`;
const cubic = (a: Point, b: Point, c: Point): string => `C${pair(a)} ${pair(b)} ${pair(c)}`;
const mix = (a: Point, b: Point, share: number): Point => [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
const lines = (points: readonly Point[]): string => points.slice(1).map((point) => `L${pair(point)}`).join('');

/** A step at `share` of the way from one point to the next. */
const steps = (points: readonly Point[], share: number): string =>
  points
    .slice(1)
    .map((point, index) => {
      const before = at(points, index);
      const x = before[0] + (point[0] - before[0]) * share;
      return `L${pair([x, before[1]])}L${pair([x, point[1]])}L${pair(point)}`;
    })
    .join('');

/** An S between neighbours, level at both (`x`) or upright at both. */
const bump = (points: readonly Point[], along: 'x' | 'y'): string =>
  points
    .slice(1)
    .map((point, index) => {
      const before = at(points, index);
      const [x, y] = mix(before, point, 0.5);
      return along === 'x' ? cubic([x, before[1]], [x, point[1]], point) : cubic([before[0], y], [point[0], y], point);
    })
    .join('');

/** Hermite segments from the slope at each point. */
const hermite = (points: readonly Point[], slopes: readonly number[]): string =>
  points
    .slice(1)
    .map((point, index) => {
      const before = at(points, index);
      const third = (point[0] - before[0]) / 3;
      const [from, to] = [slopes[index] ?? 0, slopes[index + 1] ?? 0];
      return cubic([before[0] + third, before[1] + third * from], [point[0] - third, point[1] - third * to], point);
    })
    .join('');

const secants = (points: readonly Point[]): number[] =>
  points.slice(1).map((point, index) => {
    const before = at(points, index);
    return point[0] === before[0] ? 0 : (point[1] - before[1]) / (point[0] - before[0]);
  });

/** Slopes that never leave the range of two neighbours: no overshoot (Fritsch and Carlson's limits). */
const monotone = (points: readonly Point[]): number[] => {
  const between = secants(points);
  return points.map((_, index) => {
    const [left, right] = [between[index - 1], between[index]];
    if (left === undefined || right === undefined) return left ?? right ?? 0;
    if (left * right <= 0) return 0;
    return Math.sign(left) * Math.min(Math.abs(left + right) / 2, 3 * Math.abs(left), 3 * Math.abs(right));
  });
};

/** The slopes of the natural cubic spline, whose second derivative is 0 at both ends (Thomas's algorithm). */
const natural = (points: readonly Point[]): number[] => {
  const between = secants(points);
  const last = points.length - 1;
  const upper: number[] = [];
  const right: number[] = [];
  for (let index = 0; index <= last; index += 1) {
    const before = index ? 1 / (at(points, index)[0] - at(points, index - 1)[0]) : 0;
    const after = index < last ? 1 / (at(points, index + 1)[0] - at(points, index)[0]) : 0;
    const value = 3 * ((between[index - 1] ?? 0) * before + (between[index] ?? 0) * after);
    const divisor = 2 * (before + after) - before * (upper[index - 1] ?? 0);
    upper.push(after / divisor);
    right.push((value - before * (right[index - 1] ?? 0)) / divisor);
  }
  for (let index = last - 1; index >= 0; index -= 1) right[index] = (right[index] as number) - (upper[index] as number) * (right[index + 1] as number);
  return right;
};

/** A uniform cubic B-spline; its ends are the first and the last point, or open, or joined. */
const basis = (points: readonly Point[], ends: 'clamped' | 'open' | 'closed'): string => {
  const [first, last] = [at(points, 0), at(points, points.length - 1)];
  const knots =
    ends === 'clamped' ? [first, first, ...points, last, last] : ends === 'closed' ? [...points, ...points.slice(0, 3)] : [...points];
  if (knots.length < 4) return `M${pair(first)}${lines(points)}`;
  let path = '';
  for (let index = 0; index + 3 < knots.length; index += 1) {
    const [a, b, c, d] = [0, 1, 2, 3].map((step) => at(knots, index + step)) as [Point, Point, Point, Point];
    const start = mix(mix(a, b, 2 / 3), mix(b, c, 1 / 3), 0.5);
    const end = mix(mix(b, c, 2 / 3), mix(c, d, 1 / 3), 0.5);
    path += (index ? '' : `M${pair(start)}`) + cubic(mix(b, c, 1 / 3), mix(b, c, 2 / 3), end);
  }
  return ends === 'clamped' ? `M${pair(first)}${path.replace('M', 'L')}L${pair(last)}` : path;
};

/** The path through `points`, in their order. */
export const curve = (type: string, points: readonly Point[]): string => {
  if (points.length === 0) return '';
  const start = `M${pair(at(points, 0))}`;
  if (points.length < 3 && !type.startsWith('step')) return start + lines(points);
  switch (type) {
    case 'basis':
      return basis(points, 'clamped');
    case 'basisOpen':
      return basis(points, 'open');
    case 'basisClosed':
      return `${basis(points, 'closed')}Z`;
    case 'linearClosed':
      return `${start}${lines(points)}Z`;
    case 'bump':
    case 'bumpX':
      return start + bump(points, 'x');
    case 'bumpY':
      return start + bump(points, 'y');
    case 'step':
      return start + steps(points, 0.5);
    case 'stepBefore':
      return start + steps(points, 0);
    case 'stepAfter':
      return start + steps(points, 1);
    case 'monotone':
    case 'monotoneX':
      return start + hermite(points, monotone(points));
    case 'monotoneY': {
      const turned = points.map(([x, y]): Point => [y, x]);
      // Only where the values themselves rise or fall throughout is x a function of y.
      const rising = turned.every((point, index) => !index || point[0] > at(turned, index - 1)[0]);
      const falling = turned.every((point, index) => !index || point[0] < at(turned, index - 1)[0]);
      if (!rising && !falling) return start + hermite(points, monotone(points));
      return start + hermite(turned, monotone(turned)).replace(/(-?[\d.]+) (-?[\d.]+)/g, '$2 $1');
    }
    case 'natural':
      return start + hermite(points, natural(points));
    default:
      return start + lines(points);
  }
};
