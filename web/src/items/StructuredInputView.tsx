/** Questions of the assistant: a form while they are open, then what was answered. */
import { useId, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import type { ThreadSession } from '../protocol/session';
import type { StructuredInput, StructuredInputAnswer, StructuredInputItem } from '../protocol/types';
import { usePart } from '../store';

export function StructuredInputView({ item, session }: { item: StructuredInputItem; session: ThreadSession }): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const isBusy = usePart(session, ({ phase }) => phase !== 'idle');
  const [values, setValues] = useState<Record<string, string[]>>({});
  if (item.status !== 'pending') return <Answers item={item} />;

  const answers = (): Record<string, StructuredInputAnswer> =>
    Object.fromEntries(
      item.inputs.map(({ id }) => {
        const given = (values[id] ?? []).map((value) => value.trim()).filter(Boolean);
        return [id, { values: given, skipped: !given.length }];
      }),
    );
  const submit = (status: 'answered' | 'skipped'): void => {
    const input = { status, answers: status === 'skipped' ? {} : answers() };
    session.stream('threads.add_structured_input', { thread_id: item.thread_id, item_id: item.id, input }).catch(() => {
      // The failure is shown at the end of the thread.
    });
  };
  const hasAnswer = Object.values(answers()).some(({ skipped }) => !skipped);
  return (
    <form
      className="ck-questions"
      onSubmit={(event) => {
        event.preventDefault();
        if (hasAnswer && !isBusy) submit('answered');
        client.log('structured_input.submit', { itemId: item.id });
      }}
    >
      {item.inputs.map((input) => (
        <Question key={input.id} input={input} values={values[input.id] ?? []} onChange={(next) => setValues({ ...values, [input.id]: next })} />
      ))}
      <div className="ck-row">
        <button type="submit" className="ck-button" data-primary disabled={!hasAnswer || isBusy}>{t('submit')}</button>
        <button type="button" className="ck-button" disabled={isBusy} onClick={() => submit('skipped')}>{t('skip')}</button>
      </div>
    </form>
  );
}

interface QuestionProps {
  input: StructuredInput;
  values: readonly string[];
  onChange(values: string[]): void;
}

function Question({ input, values, onChange }: QuestionProps): ReactNode {
  const { t } = useLanguage();
  const id = useId();
  if (input.type === 'freeform') {
    return (
      <div className="ck-question">
        <label htmlFor={id} className="ck-question-text" dir="auto">{input.question}</label>
        {input.description && <p className="ck-quiet" id={`${id}-about`} dir="auto">{input.description}</p>}
        <textarea
          id={id}
          className="ck-input"
          rows={2}
          dir="auto"
          aria-describedby={input.description ? `${id}-about` : undefined}
          value={values[0] ?? ''}
          onChange={(event) => onChange([event.target.value])}
        />
      </div>
    );
  }
  const known = new Set(input.options.map(({ value }) => value));
  const chosen = values.filter((value) => known.has(value));
  const other = values.find((value) => !known.has(value)) ?? '';
  const toggle = (value: string, isChosen: boolean): void => {
    if (!input.multiple) return onChange([value]);
    onChange([...(isChosen ? [...chosen, value] : chosen.filter((each) => each !== value)), ...(other ? [other] : [])]);
  };
  return (
    <fieldset className="ck-question">
      <legend className="ck-question-text" dir="auto">{input.question}</legend>
      {input.options.map(({ value }) => (
        <label key={value} className="ck-option">
          <input type={input.multiple ? 'checkbox' : 'radio'} name={id} checked={values.includes(value)} onChange={(event) => toggle(value, event.target.checked)} />
          <span dir="auto">{value}</span>
        </label>
      ))}
      <input
        className="ck-input"
        aria-label={`${input.question} ${t('otherAnswer')}`}
        placeholder={t('otherAnswer')}
        dir="auto"
        value={other}
        onChange={(event) => {
          const text = event.target.value;
          onChange([...(input.multiple ? chosen : text ? [] : chosen), ...(text ? [text] : [])]);
        }}
      />
    </fieldset>
  );
}

function Answers({ item }: { item: StructuredInputItem }): ReactNode {
  const { t } = useLanguage();
  return (
    <dl className="ck-answers">
      {item.inputs.map(({ id, question, answer }) => (
        <div key={id}>
          <dt dir="auto">{question}</dt>
          <dd dir="auto">{answer && !answer.skipped && answer.values.length ? answer.values.join(', ') : t('skipped')}</dd>
        </div>
      ))}
    </dl>
  );
}
