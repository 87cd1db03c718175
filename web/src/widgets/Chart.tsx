/** Bars, lines and areas over categories, as SVG. */
import { use, useEffect, useId, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from 'react';
import type { WidgetNode } from '../protocol/types';
import { Scope } from './actions';
import { curve, type Point } from './curves';
import { block, chartColor, number, pick, record, text } from './values';

interface Series {
  kind: 'bar' | 'line' | 'area';
  key: string;
  label: string;
  color: string;
  curve: string;
  stack: string;
  /** From and to which value each category is drawn; null: no value. */
  spans: ([from: number, to: number] | null)[];
}

const ORDER = ['blue', 'purple', 'orange', 'green', 'red', 'yellow', 'pink'];
const AXIS_HEIGHT = 24;
const TOP = 8;
const HEIGHT = 220;

const list = (value: unknown): Record<string, unknown>[] =>
  (Array.isArray(value) ? (value as unknown[]) : []).flatMap((item) => {
    const row = record(item);
    return row ? [row] : [];
  });

/** Read the series, and put those of one stack on top of each other. */
const readSeries = (node: WidgetNode, rows: Record<string, unknown>[]): Series[] => {
  const tops = new Map<string, number[]>();
  return list(node.series).map((given, index) => {
    const key = text(given.dataKey);
    const kind = given.type === 'line' || given.type === 'area' ? given.type : 'bar';
    const stack = kind === 'line' ? '' : text(given.stack);
    // Values below 0 are stacked downwards, from a base of their own.
    const spans = rows.map((row, place): [number, number] | null => {
      const value = number(row[key]);
      if (value === undefined) return null;
      if (!stack) return [0, value];
      const bases = tops.get(`${kind} ${stack} ${value < 0}`) ?? [];
      tops.set(`${kind} ${stack} ${value < 0}`, bases);
      const from = bases[place] ?? 0;
      bases[place] = from + value;
      return [from, from + value];
    });
    const color = chartColor(given.color) ?? `var(--${ORDER[index % ORDER.length]}-400)`;
    return { kind, key, label: text(given.label) || key, color, curve: text(given.curveType) || 'linear', stack, spans };
  });
};

/** Round steps for an axis, about four of them: 1, 2 or 5 times a power of ten. */
const ticks = (low: number, high: number): number[] => {
  const rough = (high - low || Math.abs(high) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step);
  const count = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return Array.from({ length: count + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
};

/** The width of an element, and its height where one is set. */
const useSize = (): [(element: HTMLElement | null) => void, { width: number; height: number }] => {
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [element, setElement] = useState<HTMLElement | null>(null);
  useEffect(() => {
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: Math.round(entry.contentRect.width), height: Math.round(entry.contentRect.height) });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, size];
};

export function Chart({ node }: { node: WidgetNode }): ReactNode {
  const { locale } = use(Scope);
  const id = useId();
  const [measure, { width, height }] = useSize();
  const [active, setActive] = useState<number | null>(null);
  const drawing = useRef<SVGSVGElement>(null);
  const rows = list(node.data);
  const axis = record(node.xAxis) ?? { dataKey: node.xAxis };
  const names = record(axis.labels);
  const categories = rows.map((row) => {
    const value = text(row[text(axis.dataKey)]);
    return text(names && pick(names, value)) || value;
  });
  const series = readSeries(node, rows);
  const format = new Intl.NumberFormat(locale);
  const short = new Intl.NumberFormat(locale, { notation: 'compact' });
  const style = block(node) as CSSProperties;
  const sized = ['height', 'size', 'aspectRatio'].some((name) => node[name] != null);

  const ends = series.flatMap(({ spans }) => spans.flatMap((span) => span ?? []));
  const steps = ticks(Math.min(0, ...ends), Math.max(0, ...ends));
  const [low, high] = [steps[0] as number, steps[steps.length - 1] as number];
  const shownY = node.showYAxis === true;
  const left = shownY ? 8 + 7 * Math.max(...steps.map((step) => short.format(step).length)) : 2;
  const bottom = axis.hide === true ? 4 : AXIS_HEIGHT;
  const inner = { width: Math.max(0, width - left - 2), height: Math.max(0, height - TOP - bottom) };
  const bars = series.filter(({ kind }) => kind === 'bar');
  // Without bars a line runs from edge to edge.
  const band = bars.length || rows.length < 2 ? inner.width / Math.max(1, rows.length) : inner.width / (rows.length - 1);
  const x = (index: number) => left + (bars.length || rows.length < 2 ? band * (index + 0.5) : band * index);
  const y = (value: number) => TOP + inner.height * (1 - (value - low) / (high - low));

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === 'Escape') setActive(null);
    if (!step || !rows.length) return;
    event.preventDefault();
    setActive((index) => (index === null ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, index + step))));
  };
  const onMove = (clientX: number) => {
    const box = drawing.current?.getBoundingClientRect();
    if (!box || !rows.length) return;
    const place = (clientX - box.left - left) / band - (bars.length || rows.length < 2 ? 0.5 : 0);
    setActive(Math.max(0, Math.min(rows.length - 1, Math.round(place))));
  };
  const tooltip = node.showTooltip !== false;
  // Labels that would overlap are left out: every second, third, …
  const every = Math.max(1, Math.ceil((Math.max(...categories.map((name) => name.length), 1) * 7 + 8) / (band || 1)));

  return (
    <figure className="ckw-chart" style={style}>
      <div
        className="ckw-plot"
        ref={measure}
        style={sized ? undefined : { height: HEIGHT }}
        {...(tooltip && {
          tabIndex: 0,
          role: 'group',
          'aria-label': series.map(({ label }) => label).join(', '),
          'aria-describedby': `${id}-data`,
          onKeyDown,
          onPointerMove: (event) => onMove(event.clientX),
          onPointerLeave: () => setActive(null),
          onBlur: () => setActive(null),
        })}
      >
        {width > 0 && height > 0 ? (
          <svg ref={drawing} width={width} height={height} aria-hidden="true">
            {steps.map((step) => (
              <g key={step}>
                <line className={step === 0 ? 'ckw-base' : 'ckw-grid'} x1={left} x2={width - 2} y1={y(step)} y2={y(step)} />
                {shownY ? (
                  <text className="ckw-tick" x={left - 6} y={y(step)} dy="0.32em" textAnchor="end">
                    {short.format(step)}
                  </text>
                ) : null}
              </g>
            ))}
            {active === null ? null : bars.length ? (
              <rect className="ckw-cursor" x={x(active) - band / 2} width={band} y={TOP} height={inner.height} />
            ) : (
              <line className="ckw-base" x1={x(active)} x2={x(active)} y1={TOP} y2={TOP + inner.height} />
            )}
            <Bars node={node} bars={bars} band={band} x={x} y={y} />
            {series.map((one, index) =>
              one.kind === 'bar' ? null : <Line key={index} series={one} x={x} y={y} active={active} />,
            )}
            {axis.hide === true
              ? null
              : categories.map((name, index) =>
                  index % every ? null : (
                    <text
                      key={index}
                      className="ckw-tick"
                      x={x(index)}
                      y={height - 6}
                      textAnchor={bars.length || rows.length < 2 ? 'middle' : index === 0 ? 'start' : index === rows.length - 1 ? 'end' : 'middle'}
                    >
                      {name}
                    </text>
                  ),
                )}
          </svg>
        ) : null}
        {tooltip && active !== null && rows[active] ? (
          <div className="ckw-tooltip" data-left={x(active) > width / 2 ? '' : undefined} style={{ '--at': `${x(active)}px` } as CSSProperties}>
            <strong>{categories[active]}</strong>
            {series.map((one, index) => {
              const value = rows[active]?.[one.key];
              return (
                <span key={index}>
                  <i style={{ background: one.color }} />
                  {one.label}
                  <b>{number(value) === undefined ? '–' : format.format(number(value) as number)}</b>
                </span>
              );
            })}
          </div>
        ) : null}
      </div>
      {node.showLegend === true ? (
        <div className="ckw-legend" aria-hidden="true">
          {series.map((one, index) => (
            <span key={index}>
              <i style={{ background: one.color }} />
              {one.label}
            </span>
          ))}
        </div>
      ) : null}
      <table className="ckw-hidden" id={`${id}-data`}>
        <thead>
          <tr>
            <th scope="col">{text(axis.dataKey)}</th>
            {series.map((one, index) => (
              <th key={index} scope="col">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              <th scope="row">{categories[index]}</th>
              {series.map((one, place) => (
                <td key={place}>{number(row[one.key]) === undefined ? '' : format.format(number(row[one.key]) as number)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

interface Scales {
  x(index: number): number;
  y(value: number): number;
}

const CORNER = 4;

function Bars({ node, bars, band, x, y }: Scales & { node: WidgetNode; bars: Series[]; band: number }): ReactNode {
  if (!bars.length) return null;
  const stacks = [...new Set(bars.map((bar, index) => bar.stack || String(index)))];
  const around = number(node.barCategoryGap) ?? band * 0.2;
  const between = number(node.barGap) ?? 4;
  const wide = Math.max(1, (band - around - between * (stacks.length - 1)) / stacks.length);
  return bars.map((bar, index) => {
    const place = stacks.indexOf(bar.stack || String(index));
    return bar.spans.map((span, category) => {
      if (!span) return null;
      const [top, bottom] = [Math.min(y(span[0]), y(span[1])), Math.max(y(span[0]), y(span[1]))];
      const start = x(category) - (stacks.length * (wide + between) - between) / 2 + place * (wide + between);
      return (
        <rect
          key={`${index} ${category}`}
          x={start}
          y={top}
          width={wide}
          height={Math.max(0, bottom - top)}
          rx={bar.stack ? 0 : Math.min(CORNER, wide / 2)}
          style={{ fill: bar.color }}
        />
      );
    });
  });
}

/** Drawn from the end to the beginning, a step before a point is one after it. */
const BACKWARDS: Record<string, string> = { stepBefore: 'stepAfter', stepAfter: 'stepBefore' };

function Line({ series, x, y, active }: Scales & { series: Series; active: number | null }): ReactNode {
  // A missing value is a gap: the parts on its two sides are lines of their own.
  const parts: { index: number; from: number; to: number }[][] = [[]];
  series.spans.forEach((span, index) => {
    if (span) parts[parts.length - 1]?.push({ index, from: span[0], to: span[1] });
    else if (parts[parts.length - 1]?.length) parts.push([]);
  });
  const current = active === null ? null : series.spans[active];
  return (
    <g>
      {parts.filter((part) => part.length).map((part) => {
        const upper = curve(series.curve, part.map(({ index, to }): Point => [x(index), y(to)]));
        const lower = curve(pick(BACKWARDS, series.curve) ?? series.curve, part.map(({ index, from }): Point => [x(index), y(from)]).reverse());
        return (
          <g key={part[0]?.index}>
            {series.kind === 'area' ? <path d={`${upper.replace('Z', '')}${lower.replace('M', 'L').replace('Z', '')}Z`} style={{ fill: series.color }} className="ckw-area" /> : null}
            {part.length === 1 && part[0] ? <circle r="3" cx={x(part[0].index)} cy={y(part[0].to)} style={{ fill: series.color }} /> : null}
            <path d={upper} className="ckw-line" style={{ stroke: series.color }} />
          </g>
        );
      })}
      {current && active !== null ? <circle r="4" cx={x(active)} cy={y(current[1])} style={{ fill: series.color }} /> : null}
    </g>
  );
}

