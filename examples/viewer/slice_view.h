// One view of a case: a slice with labels and prediction over it, crosshair, letters of orientation, and the mouse.
#pragma once

#include "session.h"

#include <QWidget>

enum class Tool { Navigate, Brush, Erase, Fill };

// What all views show and do alike; owned by the window.
struct ViewSettings {
    Tool tool = Tool::Navigate;
    Brush brush;
    bool ball = false;
    bool showLabels = true;
    bool showPrediction = true;
    bool fillPrediction = false; // instead of outlines
    bool showCrosshair = true;
    int channel = 0;
};

class SliceView : public QWidget
{
    Q_OBJECT

public:
    SliceView(View view, const ViewSettings &settings, const LabelTable &labels, QWidget *parent = nullptr);

    void setCase(const CasePtr &item);
    void setCursorIndex(const Index &index);
    // The whole slice again, in the middle.
    void fit();
    // Where a voxel is drawn.
    QPointF positionOf(const Index &index) const;
    QSize sizeHint() const override
    {
        return {400, 400};
    }

signals:
    void cursorMoved(const Index &index);
    // The mouse is over a voxel; `inside` is false where it left the image.
    void hovered(const Index &index, bool inside);
    // The right button dragged by parts of the widget's size.
    void windowDragged(double right, double up);

protected:
    void paintEvent(QPaintEvent *event) override;
    void mousePressEvent(QMouseEvent *event) override;
    void mouseMoveEvent(QMouseEvent *event) override;
    void mouseReleaseEvent(QMouseEvent *event) override;
    void wheelEvent(QWheelEvent *event) override;
    void leaveEvent(QEvent *event) override;

private:
    struct Piece; // the part of a slice that can be seen, and how finely it is sampled
    bool ready() const
    {
        return case_ && case_->volume && case_->labels;
    }
    View anatomicalView() const;
    double scale(int axis) const; // pixels of the widget a voxel
    QPointF origin() const;       // corner of the first voxel
    Index indexAt(const QPointF &point) const;
    Piece visiblePiece() const;
    Brush brush() const;
    void stroke(const Index &to);
    void drawImage(QPainter &painter, const Piece &piece) const;
    void drawFilled(QPainter &painter, const Piece &piece, const LabelVoxels &voxels) const;
    void drawOutline(QPainter &painter, const Piece &piece, const LabelVoxels &voxels) const;
    void drawCrosshair(QPainter &painter) const;
    void drawTexts(QPainter &painter) const;

    const View view_;
    const ViewSettings &settings_;
    const LabelTable &labels_;
    CasePtr case_;
    Plane plane_;
    Index cursor_{0, 0, 0};
    double zoom_ = 1;
    QPointF pan_;
    QPointF mouse_;
    bool mouseInside_ = false, painting_ = false;
    Index last_{0, 0, 0}; // of the stroke
    int wheel_ = 0;       // of a step not yet made
};
