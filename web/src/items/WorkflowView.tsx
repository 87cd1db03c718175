import { Suspense, useId, useState, type ReactNode } from 'react';
import { formatDuration, useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { ChevronDown } from '../icons/essential';
import { Markdown } from '../markdown';
import type { Task, Workflow } from '../protocol/types';
import { SourceView } from './AssistantMessage';

/** What was done for the answer: steps that can be folded, under a summary. */
export function WorkflowView({ workflow, isOpen }: { workflow: Workflow; isOpen: boolean }): ReactNode {
  const { t, locale } = useLanguage();
  const [expanded, setExpanded] = useState<boolean | null>(null);
  const id = useId();
  // What the user has chosen counts.
  const shown = expanded ?? (workflow.expanded || (isOpen && workflow.type === 'custom'));
  const { summary, tasks } = workflow;
  const current = tasks.at(-1);
  const isReasoning = workflow.type === 'reasoning';
  let title: string;
  if (summary && 'title' in summary) title = summary.title;
  else if (summary) title = summary.duration < 1 ? t('thought') : t('thoughtFor', { duration: formatDuration(summary.duration, locale) });
  else if (isOpen) title = current?.title || t(isReasoning ? 'thinking' : 'working');
  else title = isReasoning ? t('thought') : (current?.title ?? t('working'));
  const icon = summary && 'title' in summary ? summary.icon : isReasoning ? 'lightbulb' : null;
  return (
    <section className="ck-workflow" aria-label={title}>
      <button type="button" className="ck-workflow-summary" aria-expanded={shown} aria-controls={id} disabled={!tasks.length} onClick={() => setExpanded(!shown)}>
        {icon && <Icon name={icon} />}
        <span className={isOpen ? 'ck-shimmer' : undefined} dir="auto">{title}</span>
        {!!tasks.length && <ChevronDown className="ck-chevron" aria-hidden="true" />}
      </button>
      {shown && (
        <ol className="ck-tasks" id={id}>
          {tasks.map((task, index) => (
            <li key={index}>
              <TaskView task={task} isOpen={isOpen && index === tasks.length - 1} inWorkflow />
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

export function TaskView({ task, isOpen, inWorkflow = false }: { task: Task; isOpen: boolean; inWorkflow?: boolean }): ReactNode {
  const title = useTaskTitle(task, isOpen);
  const indicator = inWorkflow ? (task.status_indicator ?? 'none') : 'none';
  const isLoading = indicator === 'loading' || (indicator === 'none' && isOpen);
  return (
    <div className="ck-task" data-status={indicator}>
      <span className="ck-task-icon">{indicator === 'loading' ? <span className="ck-spinner" /> : <Icon name={indicator === 'complete' ? 'check' : iconOf(task)} />}</span>
      <div className="ck-task-body">
        {title && <p className={isLoading ? 'ck-task-title ck-shimmer' : 'ck-task-title'} dir="auto">{title}</p>}
        <TaskContent task={task} isOpen={isOpen} />
      </div>
    </div>
  );
}

function useTaskTitle(task: Task, isOpen: boolean): string | null {
  const { t } = useLanguage();
  if (task.type === 'web_search') return task.title || (task.title_query ? `${t('searchedFor')} “${task.title_query}”` : t('searchedFor'));
  if (task.title) return task.title;
  if (task.type === 'thought') return null;
  if (task.type === 'image') return t(isOpen ? 'generatingImage' : 'generatedImage');
  return task.type === 'file' ? t('sources') : null;
}

function iconOf(task: Task): string {
  switch (task.type) {
    case 'web_search':
      return 'globe';
    case 'file':
      return 'document';
    case 'image':
      return 'square-image';
    case 'thought':
      return 'dot';
    default:
      return task.icon ?? 'dot';
  }
}

function TaskContent({ task, isOpen }: { task: Task; isOpen: boolean }): ReactNode {
  if (task.type === 'thought' || task.type === 'custom') {
    if (!task.content) return null;
    return (
      <Suspense fallback={<p className="ck-plain" dir="auto">{task.content}</p>}>
        <Markdown source={task.content} streaming={isOpen} />
      </Suspense>
    );
  }
  if (task.type === 'image') return null;
  return (
    <>
      {task.type === 'web_search' && !!task.queries.length && (
        <ul className="ck-queries">
          {task.queries.map((query, index) => (
            <li key={index} className="ck-query" dir="auto">
              <Icon name="search" />
              {query}
            </li>
          ))}
        </ul>
      )}
      {!!task.sources.length && (
        <ul className="ck-sources">
          {task.sources.map((source, index) => (
            <li key={index}>
              <SourceView source={source} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
