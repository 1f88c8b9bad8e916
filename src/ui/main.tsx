import { render } from 'preact';
import { App } from './app.js';
import { watchChannels } from './channel-poll.js';
import { watchHash } from './hash.js';
import { startDrawing } from './subscription.js';

const root = document.getElementById('app');
if (root !== null) {
  startDrawing();
  watchHash();
  watchChannels();
  render(<App />, root);
}
