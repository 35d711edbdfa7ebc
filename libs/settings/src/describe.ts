import type { Settings } from './settings.js';

/** The settings as a table in Markdown, for the documentation. */
export function describeSettings(settings: Settings): string {
  const rows = Object.values(settings).map(({ variable, kind, presence, defaultText, example, describe }) => [
    code(variable),
    kind,
    presence === 'default' ? code(defaultText ?? '') : presence,
    `${describe}${presence === 'default' ? '' : ` (e.g. ${code(example)})`}`,
  ]);
  return [['Variable', 'Value', 'Default', 'Meaning'], ['---', '---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.map(escapeCell).join(' | ')} |\n`)
    .join('');
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
