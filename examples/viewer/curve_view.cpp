// The plot: Dice from 0 to 1 against seconds.
#include "curve_view.h"

#include <QPainter>
#include <algorithm>

CurveView::CurveView(QWidget *parent) : QWidget(parent)
{
    setFixedHeight(90);
}

void CurveView::clear()
{
    points_.clear();
    update();
}

void CurveView::add(double seconds, double dice)
{
    points_.append({seconds, dice});
    update();
}

void CurveView::paintEvent(QPaintEvent *)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.fillRect(rect(), palette().base());
    QFont small = font();
    small.setPointSizeF(small.pointSizeF() * 0.85);
    painter.setFont(small);
    const QFontMetrics metrics(small);
    const QRectF plot =
        QRectF(rect()).adjusted(metrics.horizontalAdvance(QStringLiteral("0.5")) + 12, 10, -12, -metrics.height() - 6);
    for (double level : {0.0, 0.5, 1.0}) {
        const double y = plot.bottom() - level * plot.height();
        painter.setPen(QPen(palette().mid(), 1));
        painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y));
        painter.setPen(palette().color(QPalette::PlaceholderText));
        painter.drawText(QRectF(0, y - metrics.height() / 2.0, plot.left() - 6, metrics.height()),
                         Qt::AlignRight | Qt::AlignVCenter, QString::number(level));
    }
    const QRectF below(plot.left(), plot.bottom() + 4, plot.width(), metrics.height());
    if (points_.isEmpty()) {
        painter.drawText(below, Qt::AlignCenter, tr("validation Dice"));
        return;
    }
    const double end = std::max(points_.last().x(), 1.0);
    painter.drawText(below, Qt::AlignLeft, tr("0 s"));
    painter.drawText(below, Qt::AlignCenter, tr("validation Dice %1").arg(points_.last().y(), 0, 'f', 3));
    painter.drawText(below, Qt::AlignRight, tr("%1 s").arg(end, 0, 'f', 0));
    QPolygonF curve;
    for (const QPointF &point : points_)
        curve.append({plot.left() + point.x() / end * plot.width(), plot.bottom() - point.y() * plot.height()});
    painter.setPen(QPen(palette().highlight(), 2));
    painter.drawPolyline(curve);
    painter.setBrush(palette().highlight());
    painter.drawEllipse(curve.last(), 3, 3);
}
