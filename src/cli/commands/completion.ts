import { renderCompletion } from '../completion.js';
import type { Shell } from '../completion.js';
import type { Command } from '../verbs.js';

/** `tidegate completion SHELL`: prints the script; the parser has checked the shell's name. */
export const completion: Command = ({ args, io }) => {
  io.stdout.write(renderCompletion(args[0] as Shell));
  return Promise.resolve();
};
