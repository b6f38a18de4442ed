// Drawing and mouse of a slice. Every paint samples no more voxels than there are pixels to show them, straight from
// the volume: its time depends on the window, not on the image, and nothing has to be kept up to date.
#include "slice_view.h"

#include <QMouseEvent>
#include <QPainter>
#include <algorithm>
#include <cmath>

static const int MARGIN = 26; // for the letters
static const double ZOOM_STEP = 1.2;
static const QColor TEXT(200, 206, 214);

struct SliceView::Piece {
    int left, top, width, height; // voxels of the view, and how many samples
    int step;                     // voxels a sample
    QRectF target;
    Index size;
    int slice;
};

SliceView::SliceView(View view, const ViewSettings &settings, const LabelTable &labels, QWidget *parent)
    : QWidget(parent), view_(view), settings_(settings), labels_(labels)
{
    setMouseTracking(true);
    setMinimumSize(120, 120);
    setAttribute(Qt::WA_OpaquePaintEvent);
    connect(&labels, &LabelTable::looksChanged, this, qOverload<>(&QWidget::update));
}

void SliceView::setCase(const CasePtr &item)
{
    case_ = item;
    if (ready())
        plane_ = case_->volume->plane(anatomicalView());
    painting_ = false;
    fit();
}

View SliceView::anatomicalView() const
{
    return case_->volume->flat() ? case_->volume->flatView() : view_;
}

void SliceView::setCursorIndex(const Index &index)
{
    cursor_ = index;
    update();
}

void SliceView::fit()
{
    zoom_ = 1;
    pan_ = QPointF();
    update();
}

// --- Geometry ---

double SliceView::scale(int axis) const
{
    const Volume &volume = *case_->volume;
    const double across = volume.size()[plane_.across] * volume.spacing(plane_.across);
    const double down = volume.size()[plane_.down] * volume.spacing(plane_.down);
    const double fitted = std::min((width() - 2 * MARGIN) / across, (height() - 2 * MARGIN) / down);
    return std::max(fitted, 1e-6) * zoom_ * volume.spacing(axis);
}

QPointF SliceView::origin() const
{
    const Index &size = case_->volume->size();
    const QPointF extent(size[plane_.across] * scale(plane_.across), size[plane_.down] * scale(plane_.down));
    return QPointF(width(), height()) / 2 + pan_ - extent / 2;
}

// May lie outside the image, so that a stroke can leave it and come back.
Index SliceView::indexAt(const QPointF &point) const
{
    const Index &size = case_->volume->size();
    const QPointF place = point - origin();
    const int u = static_cast<int>(std::floor(place.x() / scale(plane_.across)));
    const int v = static_cast<int>(std::floor(place.y() / scale(plane_.down)));
    return plane_.index(size, cursor_[plane_.normal], u, v);
}

QPointF SliceView::positionOf(const Index &index) const
{
    const Index &size = case_->volume->size();
    const int u = plane_.flipAcross ? size[plane_.across] - 1 - index[plane_.across] : index[plane_.across];
    const int v = plane_.flipDown ? size[plane_.down] - 1 - index[plane_.down] : index[plane_.down];
    return origin() + QPointF((u + 0.5) * scale(plane_.across), (v + 0.5) * scale(plane_.down));
}

SliceView::Piece SliceView::visiblePiece() const
{
    const Index &size = case_->volume->size();
    const double across = scale(plane_.across), down = scale(plane_.down);
    const QPointF corner = origin();
    const int left = std::max(0, static_cast<int>(std::floor(-corner.x() / across)));
    const int top = std::max(0, static_cast<int>(std::floor(-corner.y() / down)));
    const int right = std::min(size[plane_.across], static_cast<int>(std::ceil((width() - corner.x()) / across)));
    const int bottom = std::min(size[plane_.down], static_cast<int>(std::ceil((height() - corner.y()) / down)));
    const int step = std::max(1, static_cast<int>(1 / (std::max(across, down) * devicePixelRatioF())));
    Piece piece{left,
                top,
                std::max(0, (right - left + step - 1) / step),
                std::max(0, (bottom - top + step - 1) / step),
                step,
                {},
                size,
                cursor_[plane_.normal]};
    piece.target = QRectF(corner.x() + left * across, corner.y() + top * down, piece.width * step * across,
                          piece.height * step * down);
    return piece;
}

// --- Drawing ---

void SliceView::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.fillRect(rect(), Qt::black);
    if (!ready()) {
        painter.setPen(TEXT);
        painter.drawText(rect(), Qt::AlignCenter, case_ ? tr("Reading ...") : tr("Open an image or a folder"));
        return;
    }
    const Piece piece = visiblePiece();
    if (piece.width > 0 && piece.height > 0) {
        drawImage(painter, piece);
        if (settings_.showLabels)
            drawFilled(painter, piece, case_->labels->voxels());
        if (settings_.showPrediction && !case_->prediction.voxels.isEmpty()) {
            if (settings_.fillPrediction)
                drawFilled(painter, piece, case_->prediction.voxels);
            else
                drawOutline(painter, piece, case_->prediction.voxels);
        }
    }
    if (settings_.showCrosshair && !case_->volume->flat())
        drawCrosshair(painter);
    if (mouseInside_ && (settings_.tool == Tool::Brush || settings_.tool == Tool::Erase)) {
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(Qt::white, 1));
        const double radius = settings_.brush.radius / case_->volume->spacing(plane_.across) * scale(plane_.across);
        painter.drawEllipse(mouse_, radius, radius);
    }
    drawTexts(painter);
}

void SliceView::drawImage(QPainter &painter, const Piece &piece) const
{
    const Volume &volume = *case_->volume;
    const float low = static_cast<float>(case_->low);
    const float factor = 255 / static_cast<float>(std::max(case_->high - case_->low, 1e-12));
    const auto grey = [&](float value) { return static_cast<int>(std::clamp((value - low) * factor, 0.0F, 255.0F)); };
    QImage image(piece.width, piece.height, QImage::Format_RGB32);
    auto *pixels = reinterpret_cast<QRgb *>(image.bits());
    const auto sample = [&](auto pixel) {
        plane_.visit(piece.size, piece.slice, piece.left, piece.top, piece.width, piece.height, piece.step, pixel);
    };
    if (settings_.channel < 0 && volume.channels() >= 3) {
        sample([&](int number, size_t voxel) {
            pixels[number] =
                qRgb(grey(volume.channel(0)[voxel]), grey(volume.channel(1)[voxel]), grey(volume.channel(2)[voxel]));
        });
    } else {
        const float *values = volume.channel(std::clamp(settings_.channel, 0, volume.channels() - 1));
        sample([=](int number, size_t voxel) {
            pixels[number] = 0xff000000U | static_cast<QRgb>(grey(values[voxel])) * 0x10101U;
        });
    }
    painter.setRenderHint(QPainter::SmoothPixmapTransform);
    painter.drawImage(piece.target, image);
    painter.setRenderHint(QPainter::SmoothPixmapTransform, false);
}

// Blocks of a label map, for reading without a look at the lists' counters.
static std::vector<const quint16 *> pointersTo(const LabelVoxels &voxels)
{
    std::vector<const quint16 *> pointers;
    for (const QList<quint16> &block : voxels)
        pointers.push_back(block.constData());
    return pointers;
}

void SliceView::drawFilled(QPainter &painter, const Piece &piece, const LabelVoxels &voxels) const
{
    QImage image(piece.width, piece.height, QImage::Format_ARGB32_Premultiplied);
    const auto pointers = pointersTo(voxels);
    plane_.visit(piece.size, piece.slice, piece.left, piece.top, piece.width, piece.height, piece.step,
                 [blocks = pointers.data(), lookup = labels_.lookup(),
                  pixels = reinterpret_cast<QRgb *>(image.bits())](int number, size_t voxel) {
                     pixels[number] = lookup[blocks[voxel / LABEL_BLOCK][voxel % LABEL_BLOCK]];
                 });
    painter.drawImage(piece.target, image);
}

// Lines between samples of different labels, those of neighbours joined.
void SliceView::drawOutline(QPainter &painter, const Piece &piece, const LabelVoxels &voxels) const
{
    // A border of background around closes outlines at the edges.
    const int width = piece.width + 2, height = piece.height + 2;
    std::vector<quint16> values(static_cast<size_t>(width) * height, 0);
    const auto pointers = pointersTo(voxels);
    plane_.visit(piece.size, piece.slice, piece.left, piece.top, piece.width, piece.height, piece.step,
                 [&, inner = piece.width](int number, size_t voxel) {
                     values[(number / inner + 1) * width + number % inner + 1] =
                         pointers[voxel / LABEL_BLOCK][voxel % LABEL_BLOCK];
                 });
    const double across = piece.target.width() / piece.width, down = piece.target.height() / piece.height;
    QHash<quint16, QVector<QLineF>> lines;
    // Along rows, then along columns: `ahead` is to the next sample of the line, `beside` to the line before it.
    for (int direction = 0; direction < 2; ++direction) {
        const int ahead = direction ? width : 1, beside = direction ? 1 : width;
        const int lineCount = direction ? width : height, length = direction ? height : width;
        for (int line = 1; line < lineCount; ++line) {
            const quint16 *here = &values[line * beside], *before = here - beside;
            for (int n = 0; n < length;) {
                const quint16 one = here[n * ahead], other = before[n * ahead];
                const int start = n;
                while (n < length && here[n * ahead] == one && before[n * ahead] == other)
                    ++n;
                if (one == other)
                    continue;
                const double fixed = line - 1, from = start - 1, to = n - 1;
                QLineF edge = direction ? QLineF(fixed * across, from * down, fixed * across, to * down)
                                        : QLineF(from * across, fixed * down, to * across, fixed * down);
                lines[std::max(one, other)].append(edge.translated(piece.target.topLeft()));
            }
        }
    }
    for (auto value = lines.begin(); value != lines.end(); ++value) {
        const Label *label = labels_.find(value.key());
        if (!label || !label->visible)
            continue;
        painter.setPen(QPen(label->colour, 2));
        painter.drawLines(value.value());
    }
}

void SliceView::drawCrosshair(QPainter &painter) const
{
    const QPointF centre = positionOf(cursor_);
    const double gap = 8;
    painter.setPen(QPen(QColor(90, 200, 250, 150), 1));
    painter.drawLine(QPointF(0, centre.y()), QPointF(centre.x() - gap, centre.y()));
    painter.drawLine(QPointF(centre.x() + gap, centre.y()), QPointF(width(), centre.y()));
    painter.drawLine(QPointF(centre.x(), 0), QPointF(centre.x(), centre.y() - gap));
    painter.drawLine(QPointF(centre.x(), centre.y() + gap), QPointF(centre.x(), height()));
}

void SliceView::drawTexts(QPainter &painter) const
{
    painter.setPen(TEXT);
    const QRectF inner = QRectF(rect()).adjusted(6, 4, -6, -4);
    const auto write = [&](Qt::Alignment alignment, const QString &text) {
        const QRectF place = painter.boundingRect(inner, static_cast<int>(alignment), text);
        painter.fillRect(place.adjusted(-3, 0, 3, 0), QColor(0, 0, 0, 190)); // to be read over bright voxels too
        painter.drawText(place, Qt::AlignCenter, text);
    };
    const auto letter = [&](Qt::Alignment alignment, QChar text) {
        if (!text.isNull())
            write(alignment, text);
    };
    letter(Qt::AlignLeft | Qt::AlignVCenter, plane_.left);
    letter(Qt::AlignRight | Qt::AlignVCenter, plane_.right);
    letter(Qt::AlignHCenter | Qt::AlignTop, plane_.top);
    letter(Qt::AlignHCenter | Qt::AlignBottom, plane_.bottom);
    if (case_->volume->flat())
        return;
    static const char *const names[] = {"Axial", "Coronal", "Sagittal"};
    write(Qt::AlignLeft | Qt::AlignTop, tr(names[static_cast<int>(view_)]));
    write(Qt::AlignRight | Qt::AlignTop,
          QStringLiteral("%1 / %2").arg(cursor_[plane_.normal] + 1).arg(case_->volume->size()[plane_.normal]));
}

// --- Mouse ---

Brush SliceView::brush() const
{
    Brush brush = settings_.brush;
    brush.flat = settings_.ball && !case_->volume->flat() && settings_.tool != Tool::Fill ? -1 : plane_.normal;
    if (settings_.tool == Tool::Erase) {
        brush.value = 0;
        brush.onlyBackground = false;
    }
    return brush;
}

void SliceView::stroke(const Index &to)
{
    case_->labels->paint(last_, to, brush());
    last_ = to;
}

void SliceView::mousePressEvent(QMouseEvent *event)
{
    mouse_ = event->position();
    if (!ready() || event->button() != Qt::LeftButton || event->modifiers() & Qt::ShiftModifier)
        return;
    const Index index = indexAt(mouse_);
    if (settings_.tool == Tool::Navigate) {
        if (case_->volume->contains(index))
            emit cursorMoved(index);
        return;
    }
    case_->labels->begin();
    if (settings_.tool == Tool::Fill) {
        if (case_->volume->contains(index))
            case_->labels->fill(index, brush());
        case_->labels->end(tr("fill"));
        return;
    }
    painting_ = true;
    last_ = index;
    stroke(index);
}

void SliceView::mouseMoveEvent(QMouseEvent *event)
{
    const QPointF moved = event->position() - mouse_;
    mouse_ = event->position();
    mouseInside_ = true;
    if (!ready())
        return;
    const Index index = indexAt(mouse_);
    const bool inside = case_->volume->contains(index);
    const bool shift = event->modifiers() & Qt::ShiftModifier;
    emit hovered(index, inside);
    if (painting_)
        stroke(index);
    else if (event->buttons() & Qt::MiddleButton || (event->buttons() & Qt::LeftButton && shift))
        pan_ += moved;
    else if (event->buttons() & Qt::RightButton)
        emit windowDragged(moved.x() / width(), -moved.y() / height());
    else if (event->buttons() & Qt::LeftButton && settings_.tool == Tool::Navigate && inside)
        emit cursorMoved(index);
    update();
}

void SliceView::mouseReleaseEvent(QMouseEvent *event)
{
    if (!painting_ || event->button() != Qt::LeftButton)
        return;
    painting_ = false;
    case_->labels->end(settings_.tool == Tool::Erase ? tr("erase") : tr("brush stroke"));
}

void SliceView::wheelEvent(QWheelEvent *event)
{
    if (!ready())
        return;
    if (event->modifiers() & Qt::ControlModifier) {
        // The point under the mouse stays where it is.
        const QPointF from = event->position() - QPointF(width(), height()) / 2;
        const double zoom = std::clamp(zoom_ * std::pow(ZOOM_STEP, event->angleDelta().y() / 120.0), 0.2, 50.0);
        pan_ = from - (from - pan_) * (zoom / zoom_);
        zoom_ = zoom;
        update();
        return;
    }
    wheel_ += event->angleDelta().y();
    const int steps = wheel_ / 120;
    wheel_ -= steps * 120;
    Index index = cursor_;
    const int last = case_->volume->size()[plane_.normal] - 1;
    index[plane_.normal] = std::clamp(index[plane_.normal] + (plane_.rises ? steps : -steps), 0, last);
    if (index != cursor_)
        emit cursorMoved(index);
}

void SliceView::leaveEvent(QEvent *)
{
    mouseInside_ = false;
    if (ready())
        emit hovered(cursor_, false);
    update();
}
