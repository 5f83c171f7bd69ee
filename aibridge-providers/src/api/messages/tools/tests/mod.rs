mod blocking;
mod measure;
mod mixed;
mod play;
mod streams;
