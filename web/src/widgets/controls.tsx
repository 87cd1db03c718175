/** What users click and fill in: native controls, so that keyboards, screen readers and phones know them. */
import { use, useState, type CSSProperties, type ReactNode, type SyntheticEvent } from 'react';
import { Icon } from '../icons/Icon';
import { useLanguage } from '../i18n/i18n';
import type { WidgetNode } from '../protocol/types';
import { actionOf, FormContext, Scope, useAction } from './actions';
import { autofill, useField, usePattern, useSelection } from './form';
import { measures, Press, VARIANTS } from './press';
import { number, oneOf, record, text } from './values';

type Props = { node: WidgetNode };

export function Button({ node }: Props): ReactNode {
  const form = use(FormContext);
  const { loading, run } = useAction('self');
  const action = actionOf(node.onClickAction);
  const primary = node.style === 'primary';
  const label = text(node.label);
  const [start, end] = [text(node.iconStart), text(node.iconEnd)];
  const iconOnly = !label && Boolean(start || end);
  const onClick = () => {
    if (node.submit && form) form.submit(action ?? undefined);
    else if (action) void run(action);
  };
  const look = {
    ...node,
    color: node.color ?? (primary ? 'primary' : 'secondary'),
    variant: node.variant ?? (primary || node.color ? 'solid' : 'outline'),
    uniform: node.uniform ?? iconOnly,
  };
  return (
    <Press
      look={look}
      label={iconOnly ? action?.type || start || end : undefined}
      loading={loading}
      disabled={node.disabled === true}
      onClick={onClick}
    >
      {start ? <Icon name={start} /> : null}
      {label}
      {end ? <Icon name={end} /> : null}
    </Press>
  );
}

const INPUTS = ['number', 'email', 'text', 'password', 'tel', 'url'] as const;

export function Input({ node }: Props): ReactNode {
  const field = useField(node);
  return (
    <span className="ckw-field" style={measures(node)}>
      <input
        key={text(node.defaultValue)}
        ref={useSelection<HTMLInputElement>(node.autoSelect)}
        {...field.props}
        {...autofill(node.allowAutofillExtensions)}
        data-variant={oneOf(node.variant, VARIANTS, 'outline')}
        className="ckw-input"
        type={oneOf(node.inputType, INPUTS, 'text')}
        step={node.inputType === 'number' ? 'any' : undefined}
        defaultValue={text(node.defaultValue)}
        placeholder={text(node.placeholder) || undefined}
        pattern={text(node.pattern) || undefined}
        required={node.required === true}
        disabled={node.disabled === true}
        autoFocus={node.autoFocus === true}
      />
      {field.error}
    </span>
  );
}

export function Textarea({ node }: Props): ReactNode {
  const field = useField(node);
  const match = usePattern(node.pattern, useLanguage().t('wrongFormat'));
  const select = useSelection<HTMLTextAreaElement>(node.autoSelect);
  const rows = number(node.rows) ?? 3;
  const most = number(node.maxRows);
  return (
    <span className="ckw-field" style={measures(node)}>
      <textarea
        key={text(node.defaultValue)}
        ref={(element) => {
          if (typeof select === 'function') select(element);
          if (element) match(element);
        }}
        {...field.props}
        {...autofill(node.allowAutofillExtensions)}
        data-variant={oneOf(node.variant, VARIANTS, 'outline')}
        className="ckw-input ckw-textarea"
        data-grow={node.autoResize === true ? '' : undefined}
        style={{ '--rows': rows, ...(most && { '--most': most }) } as CSSProperties}
        rows={rows}
        defaultValue={text(node.defaultValue)}
        placeholder={text(node.placeholder) || undefined}
        required={node.required === true}
        disabled={node.disabled === true}
        autoFocus={node.autoFocus === true}
        onInput={(event) => {
          match(event.currentTarget);
          field.props.onInput(event);
        }}
      />
      {field.error}
    </span>
  );
}

/** A control of one value that can be emptied: its box, its value, and the button that empties it. */
function Clearable({ node, empty, onClear, children }: Props & { empty: boolean; onClear(): void; children: ReactNode }) {
  const { t } = useLanguage();
  const shown = node.clearable === true && !empty && node.disabled !== true;
  return (
    <span className="ckw-field" data-block={node.block === true ? '' : undefined} data-clear={shown ? '' : undefined} style={measures(node)}>
      {children}
      {shown ? (
        <button type="button" className="ckw-clear" aria-label={t('clear', { name: text(node.placeholder) || text(node.name) })} onClick={onClear}>
          <svg aria-hidden="true" viewBox="0 0 12 12">
            <path d="M3 3l6 6M9 3l-6 6" />
          </svg>
        </button>
      ) : null}
    </span>
  );
}

interface Option {
  value: string;
  label: string;
  disabled: boolean;
  description: string;
}

const optionsOf = (value: unknown): Option[] =>
  (Array.isArray(value) ? value : []).flatMap((item) => {
    const option = record(item);
    if (!option) return [];
    const chosen = text(option.value);
    return [{ value: chosen, label: text(option.label) || chosen, disabled: option.disabled === true, description: text(option.description) }];
  });

const SEARCHED_FROM = 16;

/** The value of a control, and what a change sends. A new default of the server replaces what was chosen. */
const useValue = (node: WidgetNode, name: string, initial: string): [string, (next: string) => void] => {
  const { run } = useAction('none');
  const action = actionOf(node.onChangeAction);
  const [changed, setChanged] = useState<{ from: string; value: string } | null>(null);
  const value = changed?.from === initial ? changed.value : initial;
  const set = (next: string) => {
    setChanged({ from: initial, value: next });
    if (action && next !== value) void run(action, { [name]: next || null });
  };
  return [value, set];
};

export function Select({ node }: Props): ReactNode {
  const options = optionsOf(node.options);
  const searched = node.searchable === true || (node.searchable !== false && options.length >= SEARCHED_FROM);
  return searched ? <SearchedSelect node={node} options={options} /> : <PlainSelect node={node} options={options} />;
}

/** A select that is typed into: the platform's own list of suggestions. */
function SearchedSelect({ node, options }: Props & { options: Option[] }): ReactNode {
  const field = useField(node);
  const [value, set] = useValue(node, field.name, text(node.defaultValue));
  const { t } = useLanguage();
  const [typed, setTyped] = useState<string | null>(null);
  const chosen = options.find((option) => option.value === value);
  const shown = typed ?? chosen?.label ?? '';
  return (
    <Clearable
      node={node}
      empty={!value}
      onClear={() => {
        setTyped(null);
        set('');
      }}
    >
      <input
        {...field.props}
        data-variant={oneOf(node.variant, VARIANTS, 'outline')}
        className="ckw-input ckw-search"
        list={`${field.id}-list`}
        // The value of the option, not its label, is sent.
        data-value={value}
        value={shown}
        placeholder={text(node.placeholder) || t('search')}
        disabled={node.disabled === true}
        autoComplete="off"
        onChange={(event) => {
          const words = event.currentTarget.value;
          const match = options.find((option) => !option.disabled && option.label === words);
          setTyped(words);
          if (match || !words) set(match?.value ?? '');
        }}
        onBlur={() => setTyped(null)}
      />
      <datalist id={`${field.id}-list`}>
        {options.map((option) => (
          <option key={option.value} value={option.label} disabled={option.disabled}>
            {option.description}
          </option>
        ))}
      </datalist>
      {field.error}
    </Clearable>
  );
}

function PlainSelect({ node, options }: Props & { options: Option[] }): ReactNode {
  const field = useField(node);
  const [value, set] = useValue(node, field.name, text(node.defaultValue));
  return (
    <Clearable node={node} empty={!value} onClear={() => set('')}>
      <select
        {...field.props}
        data-variant={oneOf(node.variant, VARIANTS, 'outline')}
        className="ckw-input ckw-select"
        data-empty={value ? undefined : ''}
        value={value}
        disabled={node.disabled === true}
        onChange={(event) => set(event.currentTarget.value)}
      >
        {options.some((option) => option.value === '') ? null : (
          <option value="" hidden>
            {text(node.placeholder)}
          </option>
        )}
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled} label={option.label}>
            {option.label}
            {option.description ? <span className="ckw-option-text">{option.description}</span> : null}
          </option>
        ))}
      </select>
      {field.error}
    </Clearable>
  );
}

/** The date of an ISO date and time, as it is written: a time zone would move it to the day before or after. */
const dateOf = (value: unknown): string => /^\d{4}-\d\d-\d\d/.exec(text(value))?.[0] ?? '';

export function DatePicker({ node }: Props): ReactNode {
  const field = useField(node);
  const [typed, setTyped] = useState<string | null>(null);
  const [value, choose] = useValue(node, field.name, dateOf(node.defaultValue));
  const shown = typed ?? value;
  const set = (next: string) => {
    // While a year is typed, its first digits are a year, too.
    const whole = !next.startsWith('0');
    setTyped(whole ? null : next);
    if (whole) choose(next);
  };
  return (
    <Clearable node={node} empty={!shown} onClear={() => set('')}>
      <input
        {...field.props}
        data-variant={oneOf(node.variant, VARIANTS, 'outline')}
        type="date"
        className="ckw-input ckw-date"
        data-empty={shown ? undefined : ''}
        data-placeholder={text(node.placeholder) || undefined}
        data-side={text(node.side) || undefined}
        data-align={text(node.align) || undefined}
        value={shown}
        min={dateOf(node.min) || undefined}
        max={dateOf(node.max) || undefined}
        disabled={node.disabled === true}
        onChange={(event) => set(event.currentTarget.value)}
      />
      {text(node.placeholder) && !shown ? (
        <span className="ckw-date-placeholder" aria-hidden="true">
          {text(node.placeholder)}
        </span>
      ) : null}
      {field.error}
    </Clearable>
  );
}

export function Checkbox({ node }: Props): ReactNode {
  const field = useField(node);
  const { run } = useAction('none');
  const action = actionOf(node.onChangeAction);
  const label = text(node.label);
  return (
    <span className="ckw-field">
      <label className="ckw-choice" htmlFor={field.id}>
        <input
          key={String(node.defaultChecked)}
          {...field.props}
          aria-label={label ? undefined : field.props['aria-label']}
          type="checkbox"
          defaultChecked={node.defaultChecked === true}
          disabled={node.disabled === true}
          required={node.required === true}
          onChange={(event) => action && void run(action, { [field.name]: event.currentTarget.checked })}
        />
        {label}
      </label>
      {field.error}
    </span>
  );
}

export function RadioGroup({ node }: Props): ReactNode {
  const field = useField(node);
  const scope = use(Scope);
  const { run } = useAction('none');
  const action = actionOf(node.onChangeAction);
  const { 'aria-label': label, 'aria-describedby': described, 'aria-invalid': invalid, onInvalid, onInput } = field.props;
  const onChange = (event: SyntheticEvent<HTMLInputElement>) => {
    field.props.onInput(event);
    if (action) void run(action, { [field.name]: event.currentTarget.value });
  };
  return (
    <span className="ckw-field">
      <span
        key={text(node.defaultValue)}
        role="radiogroup"
        id={field.id}
        className="ckw-radios"
        data-direction={oneOf(node.direction, ['row', 'col'], 'row')}
        aria-label={label}
        aria-labelledby={scope.labelled.has(field.name) && !text(node.ariaLabel) ? `${field.id}-label` : undefined}
        aria-describedby={described}
        aria-invalid={invalid}
        aria-required={node.required === true || undefined}
      >
        {optionsOf(node.options).map((option) => (
          <label key={option.value} className="ckw-choice">
            <input
              type="radio"
              // Outside of a form, groups of other widgets with this name would be the same group.
              name={field.id}
              data-field={field.name}
              value={option.value}
              defaultChecked={option.value === text(node.defaultValue)}
              disabled={node.disabled === true || option.disabled}
              required={node.required === true}
              onInvalid={onInvalid}
              onInput={onInput}
              onChange={onChange}
            />
            {option.label}
          </label>
        ))}
      </span>
      {field.error}
    </span>
  );
}
