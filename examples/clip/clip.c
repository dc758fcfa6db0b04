/* clip FILE...: says what is in clips, and decodes every frame of them with libavformat and
 * libavcodec. These open their files themselves; where this program has a lane, their system calls
 * trap from the first on.
 *
 * cc clip.c $(pkg-config --cflags --libs doorward libavformat libavcodec libavutil) */
#include <doorward.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { MOST_STREAMS = 16 };

/* A decoder, and a hash (FNV-1a) over what it gave. */
struct track {
    AVCodecContext *decoder;
    uint64_t frames, hash;
};

static void hashed(struct track *track, const uint8_t *bytes, int length)
{
    for (int at = 0; at < length; at++)
        track->hash = (track->hash ^ bytes[at]) * 0x100000001b3u;
}

/* Pictures line by line: behind each there may be room that was never written. */
static void frame_hashed(struct track *track, const AVFrame *frame)
{
    track->frames++;
    if (track->decoder->codec_type == AVMEDIA_TYPE_AUDIO) {
        enum AVSampleFormat format = track->decoder->sample_fmt;
        int planes = av_sample_fmt_is_planar(format) ? frame->ch_layout.nb_channels : 1;
        int each = av_get_bytes_per_sample(format) * frame->nb_samples;
        each = planes == 1 ? each * frame->ch_layout.nb_channels : each;
        for (int plane = 0; plane < planes; plane++)
            hashed(track, frame->extended_data[plane], each);
        return;
    }
    for (int plane = 0; plane < 3 && frame->data[plane] != NULL; plane++) {
        /* Chroma of 4:2:0 has half as many lines and points. */
        int part = plane > 0 ? 1 : 0;
        int width = (frame->width + part) >> part, height = (frame->height + part) >> part;
        for (int line = 0; line < height; line++)
            hashed(track, frame->data[plane] + (ptrdiff_t)line * frame->linesize[plane], width);
    }
}

/* With NULL: what the decoder still holds back. */
static int packet_decoded(struct track *track, const AVPacket *packet, AVFrame *frame)
{
    int result = avcodec_send_packet(track->decoder, packet);
    while (result >= 0) {
        result = avcodec_receive_frame(track->decoder, frame);
        if (result >= 0)
            frame_hashed(track, frame);
        av_frame_unref(frame);
    }
    return result == AVERROR(EAGAIN) || result == AVERROR_EOF ? 0 : result;
}

static int track_open(struct track *track, const AVStream *stream)
{
    const AVCodecParameters *told = stream->codecpar;
    int known = told->codec_type == AVMEDIA_TYPE_AUDIO
        || (told->codec_type == AVMEDIA_TYPE_VIDEO && told->format == AV_PIX_FMT_YUV420P);
    const AVCodec *codec = known ? avcodec_find_decoder(told->codec_id) : NULL;
    if (codec == NULL)
        return 0;
    track->hash = 0xcbf29ce484222325u;
    track->decoder = avcodec_alloc_context3(codec);
    if (track->decoder == NULL)
        return AVERROR(ENOMEM);
    /* Of a broken frame two threads make now this and now that. */
    track->decoder->thread_count = 1;
    int result = avcodec_parameters_to_context(track->decoder, told);
    return result < 0 ? result : avcodec_open2(track->decoder, codec, NULL);
}

static int all_decoded(AVFormatContext *clip, struct track *tracks)
{
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    int broken = 0, result = packet == NULL || frame == NULL ? AVERROR(ENOMEM) : 0;
    while (result >= 0 && (result = av_read_frame(clip, packet)) >= 0) {
        unsigned index = (unsigned)packet->stream_index;
        if (index < MOST_STREAMS && tracks[index].decoder != NULL)
            broken += packet_decoded(&tracks[index], packet, frame) < 0;
        av_packet_unref(packet);
    }
    for (int index = 0; index < MOST_STREAMS; index++)
        if (tracks[index].decoder != NULL)
            broken += packet_decoded(&tracks[index], NULL, frame) < 0;
    av_frame_free(&frame);
    av_packet_free(&packet);
    return result == AVERROR_EOF && broken > 0 ? AVERROR_INVALIDDATA : result;
}

static void told(const AVFormatContext *clip, const struct track *tracks)
{
    printf("%s, %" PRId64 " ms\n", clip->iformat->name, clip->duration / 1000);
    for (unsigned index = 0; index < clip->nb_streams && index < MOST_STREAMS; index++) {
        const AVCodecParameters *of = clip->streams[index]->codecpar;
        printf("  %s", avcodec_get_name(of->codec_id));
        if (of->codec_type == AVMEDIA_TYPE_VIDEO)
            printf(" %dx%d", of->width, of->height);
        if (tracks[index].decoder != NULL)
            printf(", %" PRIu64 " frames, %016" PRIx64, tracks[index].frames, tracks[index].hash);
        putchar('\n');
    }
}

static int clip_decoded(const char *name)
{
    struct track tracks[MOST_STREAMS] = {0};
    AVFormatContext *clip = NULL;
    int result = avformat_open_input(&clip, name, NULL, NULL);
    if (result >= 0)
        result = avformat_find_stream_info(clip, NULL);
    for (unsigned index = 0; result >= 0 && index < clip->nb_streams && index < MOST_STREAMS; index++)
        result = track_open(&tracks[index], clip->streams[index]);
    if (result >= 0) {
        result = all_decoded(clip, tracks);
        told(clip, tracks);
    }
    for (int index = 0; index < MOST_STREAMS; index++)
        avcodec_free_context(&tracks[index].decoder);
    avformat_close_input(&clip);
    return result == AVERROR_EOF ? 0 : result;
}

int main(int count, char **names)
{
    int failed = 0;
    /* ENOTCONN: nobody left a lane, so this runs natively or by notification alone. */
    if (doorward_enter() != 0 && errno != ENOTCONN) {
        perror("clip");
        return 2;
    }
    av_log_set_level(AV_LOG_QUIET);
    for (int index = 1; index < count; index++) {
        int result = clip_decoded(names[index]);
        if (result < 0) {
            printf("%s: %s\n", names[index], av_err2str(result));
            failed = 1;
        }
    }
    return failed;
}
