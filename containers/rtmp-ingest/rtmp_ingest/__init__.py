"""Stage 1 · publish: an RTMP server (nginx with the rtmp module) and the relay that carries its hooks to stage 2."""
