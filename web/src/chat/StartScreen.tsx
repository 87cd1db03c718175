import type { ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { useStore } from '../store';
import type { StartScreenPrompt } from '@openai/chatkit';

export function StartScreen(): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const { startScreen } = useStore(client.options);
  const send = (prompt: StartScreenPrompt['prompt']): void => {
    const model = client.composer.model;
    const content = typeof prompt === 'string' ? { text: prompt } : { content: prompt };
    void client.sendUserMessage({ ...content, ...(model && { model: model.id }) }).catch(() => {});
  };
  return (
    <div className="ck-start">
      <h2 className="ck-greeting">{startScreen?.greeting ?? t('greeting')}</h2>
      {!!startScreen?.prompts?.length && (
        <ul className="ck-prompts">
          {startScreen.prompts.map(({ label, prompt, icon }, index) => (
            <li key={index}>
              <button type="button" className="ck-prompt" onClick={() => send(prompt)}>
                {icon && <Icon name={icon} />}
                <span dir="auto">{label}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
